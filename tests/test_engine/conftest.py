"""Trainings of a few steps."""

import os

import pytest
from mmengine.runner import Runner


@pytest.fixture
def make_trainer():
    """A function that makes a Runner, which trains on a list of items."""

    def make(work_dir, model, items, max_epochs, collate='default', **options):
        sampler = dict(type='DefaultSampler', shuffle=False)
        loader = dict(dataset=items, sampler=sampler, batch_size=1)
        loader['collate_fn'] = dict(type=f'{collate}_collate')
        return Runner(
            model,
            str(work_dir),
            train_dataloader=loader,
            train_cfg=dict(by_epoch=True, max_epochs=max_epochs),
            optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.1)),
            default_scope='mmsimtrack',
            experiment_name=f'{work_dir.name}_{os.urandom(4).hex()}',
            **options,
        )

    return make
