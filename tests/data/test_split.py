import torch

from hypgeo.data.split import stratified


def test_every_class_is_split_alike_and_no_node_twice() -> None:
    y = torch.tensor([0] * 100 + [2] * 40 + [1] * 7)[torch.randperm(147)]
    train, val, test = stratified(y, 0.2, 0.3, seed=0)
    assert torch.equal(train.int() + val.int() + test.int(), torch.ones(147, dtype=torch.int32))
    for mask, counts in ((val, [20, 1, 8]), (test, [30, 2, 12])):
        assert y[mask].bincount().tolist() == counts


def test_a_seed_is_a_split() -> None:
    y = torch.arange(300) % 3
    one, again, other = (stratified(y, 0.2, 0.2, seed)[2] for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
