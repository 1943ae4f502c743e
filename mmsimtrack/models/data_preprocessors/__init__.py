"""Data preprocessors."""

from .sot_data_preprocessor import SOTDataPreprocessor
