"""Layouts of data sets as they are downloaded, a file for each."""
