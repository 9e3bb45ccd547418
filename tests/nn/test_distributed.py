"""Two processes that share a batch learn what one process learns from all of it."""

from pathlib import Path

import torch
from torch import Tensor, distributed, multiprocessing, nn

from hypgeo.manifolds import PoincareBall
from hypgeo.nn import BatchNorm, Hyperplanes, Linear, Sequential, ToManifold

SPLIT = (0, 5, 12)  # the processes' shares differ in size


def model(sync: bool) -> Sequential:
    space = PoincareBall(curvature=-0.5, learnable=True)
    layers = ToManifold(space), Linear(3, 3, space), BatchNorm(3, space, sync=sync), Hyperplanes(3, 2, space)
    net = Sequential(*layers).double()
    g = torch.Generator().manual_seed(1)
    for p in net.parameters():
        p.data.copy_(0.5 * torch.randn(p.shape, generator=g, dtype=torch.float64))
    return net


def features() -> Tensor:
    return 0.7 * torch.randn(12, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def learnt(net: nn.Module, x: Tensor) -> Tensor:
    loss = net(x).square().sum()
    loss.backward()
    return loss


def process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    net = nn.parallel.DistributedDataParallel(model(sync=True))
    learnt(net, features()[SPLIT[rank] : SPLIT[rank + 1]])
    norm = net.module[2]
    grads = {n: p.grad for n, p in net.module.named_parameters()}
    torch.save((grads, norm.running_mean, norm.running_var), f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_gradients_and_statistics_are_those_of_the_joint_batch(tmp_path: Path) -> None:
    multiprocessing.spawn(process, (str(tmp_path),), nprocs=2)
    net = model(sync=True)
    learnt(net, features())
    for rank in range(2):
        grads, mean, var = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        for name, p in net.named_parameters():  # DistributedDataParallel averages over the processes
            torch.testing.assert_close(2 * grads[name], p.grad, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(mean, net[2].running_mean, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(var, net[2].running_var, rtol=1e-12, atol=1e-14)
