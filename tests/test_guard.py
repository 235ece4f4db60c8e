"""Under guard, a write in plain NumPy to what a graph will read again stops at its own line; the library's writes go on."""

import threading

import numpy as np
import pytest

import tinygrad_lite as tl
from tinygrad_lite import nn, optim
from tinygrad_lite.autograd import guard
from tinygrad_lite.engine import capture, guarded
from tinygrad_lite.errors import GradError

READ_ONLY = pytest.raises(ValueError, match="read-only")


@pytest.fixture(autouse=True)
def nothing_stays_protected():
    yield
    assert not guarded


def test_inputs_outputs_and_parameters_are_protected_until_the_block_ends():
    x = np.array([1.0, 2.0])
    t, w = tl.from_numpy(x), tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    with guard():
        y = t * w
        for array in (x, w.data, y.data):
            with READ_ONLY:
                array[0] = 9
        with READ_ONLY:
            w.data += 1
        y.sum().backward()
    for array in (x, w.data, y.data):
        array[0] = 9
    assert w.grad.tolist() == [1, 2]  # of the x that was there


def test_without_it_the_same_write_is_silent():
    x = np.array([1.0, 2.0])
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    y = (tl.from_numpy(x) * w).sum()
    x[0] = 9
    y.backward()
    assert w.grad.tolist() == [9, 2]


def test_a_graph_that_is_gone_protects_nothing():
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    with guard():
        y = (w * w).sum()
        with READ_ONLY:
            w.data[0] = 9
        del y
        w.data[0] = 9
        z = (w * w).sum()
        with READ_ONLY:
            w.data[0] = 3
    assert z.item() == 97


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_optimizers_and_all_writes_of_the_library_work_and_are_seen(momentum):
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=momentum)
    with guard():
        loss = nn.functional.mse_loss(net(tl.ones(4, 2)), tl.zeros(4, 1))
        loss.backward()
        before = net[0].weight.numpy().copy()
        optimizer.step()
        assert not np.array_equal(before, net[0].weight.numpy())
        with READ_ONLY:
            net[0].weight.data[0] = 1  # protected again after the step
        with tl.no_grad():
            net[0].weight -= 0.1
        net.load_state_dict(net.state_dict())
        nn.init.zeros_(net[2].bias)
        with pytest.raises(GradError, match="changed in place"):
            loss.backward()
    net[0].weight.data[0] = 1


def test_a_captured_step_replays():
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1)
    with guard(), capture() as tape:
        loss = (w * w).sum()
        loss.backward()
        optimizer.step()
        tape.replay({})
    np.testing.assert_allclose(w.data, [3 * 0.64, 4 * 0.64], rtol=1e-12)  # w - 0.1 2 w, twice


def test_views_and_their_memory():
    memory = np.arange(6.0)
    old_view, part = memory[:2], memory[2:]
    x = tl.from_numpy(part)
    x.requires_grad_()
    with guard():
        y = (x.reshape(2, 2).T * x.reshape(2, 2)).sum()
        for array in (memory, part, part[1:]):
            with READ_ONLY:
                array[0] = 9
        old_view[0] = 7  # NumPy keeps no list of the views of an array
        y.backward()
    memory[0] = part[0] = part[1:][0] = 1


def test_what_was_read_only_before_stays_so():
    x = np.array([1.0, 2.0])
    x.flags.writeable = False
    buffer = np.frombuffer(b"12345678")
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    with guard():
        y = tl.from_numpy(x) * w + tl.from_numpy(buffer)
    assert not x.flags.writeable
    assert not buffer.flags.writeable
    assert y.data.flags.writeable


def test_nested_repeated_and_as_a_decorator():
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    outer = guard()

    @guard()
    def inner(depth):
        y = w * w
        with READ_ONLY:
            w.data[0] = 1
        return inner(depth - 1) if depth else y

    with outer, outer:
        y = w * 2
        z = inner(2)
        with READ_ONLY:
            w.data[0] = 1
        with READ_ONLY:
            y.data[0] = 1
        z.data[0] = 1  # the guard of the call has ended
    w.data[0] = 1


def test_it_ends_when_an_exception_leaves_the_block_and_unrecorded_results_are_free():
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    with pytest.raises(ValueError, match="read-only"), guard():  # noqa: PT012
        y = w * w
        y.data[0] = 1
    y.data[0] = w.data[0] = 1
    with guard(), tl.no_grad():
        z = w * w
        z.data[0] = w.data[0] = 1


def test_two_threads_guard_one_array():
    w = tl.tensor(np.array([3.0, 4.0]), requires_grad=True)
    optimizer = optim.SGD([w], lr=0.0)
    first_is_on, second_is_done = threading.Event(), threading.Event()
    failures = []

    def first():
        with guard():
            y = (w * w).sum()  # noqa: F841  the graph lives
            first_is_on.set()
            second_is_done.wait(10)
            try:
                with READ_ONLY:
                    w.data[0] = 9  # still protected, for this thread's graph
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

    thread = threading.Thread(target=first)
    thread.start()
    assert first_is_on.wait(10)
    with guard():
        z = w * 2
        optimizer.step()
    assert z.tolist() == [6, 8]
    with READ_ONLY:
        w.data[0] = 9  # the other thread's guard
    w.grad = np.zeros(2)
    optimizer.step()  # the library's own write, on a thread without a guard
    second_is_done.set()
    thread.join(10)
    assert failures == []
    w.data[0] = 9


def test_long_graphs_cost_what_they_are_long():
    x = tl.tensor(np.ones(2), requires_grad=True)
    with guard():
        y = x
        for _ in range(20_000):
            y = y + 1
        assert len(guarded) == 20_001
        del y
        assert not guarded
