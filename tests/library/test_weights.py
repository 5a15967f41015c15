"""Weights that others have trained.

A file of PyTorch is a pickle, and a pickle is a program: it may call any function of the machine that reads it. So
it is read here by a machine of our own, on which nothing but tensors can be made, and every other name is dead. A
safetensors file is numbers and a table of where they lie; it can lie about that. Both are read whole or not at all.
Then the names: the published audio networks call their layers otherwise, and keep their axes in another order.
"""

import datetime
import json
import struct
import sys
import tracemalloc
import zipfile
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import panns_twin, torch_file
from support.arrays import assert_close, draw
from support.published import published
from support.strategies import seeds

from quatnet.audio import FrontEnd
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError
from quatnet.models import CNNConfig, ResNetConfig, cnn14
from quatnet.weights import load_network, network_of, read_safetensors, read_torch, write_safetensors

KINDS = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"]


def arrays_of(seed, kinds=("f4",)):
    rng = np.random.default_rng(seed)
    shapes = [(), (3,), (2, 3), (0, 4), (2, 1, 5)]
    numbers = {f"part.{n}": rng.integers(0, 100, shape) for n, shape in enumerate(shapes)}
    return {f"{kind}.{name}": array.astype(kind) for kind in kinds for name, array in numbers.items()}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert (found[name] == array).all()


# A PyTorch file


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_of_every_kind_are_read(kind, tmp_path):
    arrays = arrays_of(0, [kind])
    parts = torch_file.storages(arrays)
    assert_same(read_torch(torch_file.zipped(tmp_path / "a.pth", torch_file.state_dict(arrays), parts)), arrays)
    program = torch_file.state_dict(arrays, old=True)
    assert_same(read_torch(torch_file.streamed(tmp_path / "b.pth", program, parts, np.dtype(kind).itemsize)), arrays)


def test_a_file_from_a_machine_of_the_other_byte_order(tmp_path):
    program, raw = torch_file.state_dict({"x": np.zeros(3, "f4")}), np.array([1, 2, -3], ">f4").tobytes()
    found = read_torch(torch_file.zipped(tmp_path / "a.pth", program, {"0": raw}, order="big"))
    assert_same(found, {"x": np.array([1, 2, -3], "f4")})


def test_half_of_a_float32_is_a_bfloat16(tmp_path):
    # 1.5 is 0x3FC00000, -2 is 0xC0000000 in float32: a bfloat16 is the upper half of it
    program = torch_file.mapping({"x": torch_file.tensor("0", "BFloat16", 2, 0, [2], [1])})
    found = read_torch(torch_file.zipped(tmp_path / "a.pth", program, {"0": struct.pack("<HH", 0x3FC0, 0xC000)}))
    assert_same(found, {"x": np.array([1.5, -2], "f4")})


def test_tensors_may_share_a_storage_and_walk_through_it_as_they_like(tmp_path):
    entries = {
        "whole": torch_file.tensor("0", "Float", 6, 0, [2, 3], [3, 1]),
        "turned": torch_file.tensor("0", "Float", 6, 0, [3, 2], [1, 3]),
        "odd": torch_file.tensor("0", "Float", 6, 1, [3], [2]),
    }
    raw = np.arange(6, dtype="f4").tobytes()
    found = read_torch(torch_file.zipped(tmp_path / "a.pth", torch_file.mapping(entries), {"0": raw}))
    assert found["whole"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert found["turned"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert found["odd"].tolist() == [1, 3, 5]


@pytest.mark.parametrize("key", ["model", "state_dict"])
def test_the_state_dict_of_a_checkpoint_is_found_and_the_rest_left_asleep(key, tmp_path):
    arrays = arrays_of(0)
    sampler = b"cnumpy.core.multiarray\n_reconstruct\n)R" + b"}b"  # an array of NumPy, as in PANNs' checkpoints
    program = torch_file.mapping({"sampler": sampler, key: torch_file.state_dict(arrays), "step": b"K\x07"})
    assert_same(read_torch(torch_file.zipped(tmp_path / "a.pth", program, torch_file.storages(arrays))), arrays)


# What must not happen


def test_a_pickle_that_would_run_something_runs_nothing_and_is_refused_by_name(tmp_path):
    trap = tmp_path / "sprung"
    call = b"cposix\nsystem\n(" + torch_file.text(f"touch {trap}") + b"tR"
    for program in (torch_file.mapping({"x": call}), call):
        for write in (torch_file.zipped, torch_file.streamed):
            with pytest.raises(CheckpointError, match=r"posix\.system"):
                read_torch(write(tmp_path / "a.pth", program, {}))
    assert not trap.exists()


@pytest.mark.parametrize(
    ("size", "strides", "offset"),
    [([7], [1], 0), ([2, 3], [4, 1], 0), ([6], [1], 1), ([-1], [1], 0), ([3], [-1], 2), ([9, 9], [0, 0], 0)],
)
def test_a_tensor_cannot_reach_out_of_its_storage(size, strides, offset, tmp_path):
    program = torch_file.mapping({"x": torch_file.tensor("0", "Float", 6, offset, size, strides)})
    with pytest.raises(CheckpointError, match="more numbers than its storage, 6"):
        read_torch(torch_file.zipped(tmp_path / "a.pth", program, {"0": bytes(24)}))


@pytest.mark.parametrize(
    ("program", "parts", "message"),
    [
        (torch_file.mapping({"x": torch_file.number(3)}), {}, "got int under 'x'"),
        (torch_file.number(3), {}, "expected a state dict, tensors by name; got int"),
        (b"}", {}, "expected a state dict"),
        (b"cmodels\nCnn14\n)R", {}, r"holds a models.Cnn14, no state dict; save model.state_dict\(\) instead"),
        (torch_file.state_dict({"x": np.zeros(3, "f4")}), {"0": bytes(11)}, "3 numbers of 4 bytes each, got 11 bytes"),
        (torch_file.state_dict({"x": np.zeros(3, "f4")}), {}, "damaged"),
        (torch_file.mapping({"x": torch_file.tensor("0", "QInt8", 6, 0, [6], [1])}), {"0": bytes(6)}, "QInt8Storage"),
    ],
)
def test_what_is_no_state_dict_is_refused(program, parts, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        read_torch(torch_file.zipped(tmp_path / "a.pth", program, parts))


def test_a_file_that_is_missing_compressed_or_something_else_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no file"):
        read_torch(tmp_path / "no.pth")
    packed = torch_file.zipped(tmp_path / "a.pth", torch_file.mapping({}), {}, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        read_torch(packed)
    for content in (b"", b"RIFF", b"\x80\x02K\x01.", b"PK\x03\x04"):
        (tmp_path / "b.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"damaged|neither a zip archive nor a stream"):
            read_torch(tmp_path / "b.pth")


def twice(depth, innermost=b")"):
    """A tuple of the same tuple twice, `depth` times over: 2 to the power of `depth` leaves in as many bytes."""
    return innermost + b"2\x86" * depth


SIX = torch_file.tensor("0", "Float", 6, 0, [6], [1])
STORAGE = b"(" + torch_file.text("storage") + b"ctorch\nFloatStorage\n"
ENDLESS = {  # each in a file of a few hundred bytes; what it would do to a reader that does not look first
    "hashes a key for ever": b"}" + twice(80) + b"Ns",
    "hashes one of many keys for ever": b"}(" + twice(80) + b"Nu",
    "runs out of stack in a hash": b"}" + b")" + b"\x85" * 300_000 + b"Ns",
    "hashes the pairs of a dictionary": b"ccollections\nOrderedDict\n](" + twice(80) + b"N\x86e\x85R",
    "hashes the members of a set": b"\x8f(" + twice(80) + b"\x90",
    "hashes the members of a fixed set": b"(" + twice(80) + b"\x91",
    "prints a name for ever": torch_file.mapping({"x": STORAGE + twice(80) + torch_file.text("cpu") + b"K\x06tQ"}),
    "prints a kind for ever": torch_file.mapping(
        {"x": b"(" + torch_file.text("storage") + twice(80) + torch_file.text("0") + b"NK\x06tQ"}
    ),
    "prints a shape for ever": SIX.replace(torch_file.numbers([6]), b"K\x06" + twice(80) + b"\x86"),
    "asks for a buffer of exabytes": b"\x96" + struct.pack("<Q", 2**62),
    "has a text of exabytes": b"\x8d" + struct.pack("<Q", 2**62),
    "puts a thing in place 4 billion": b"Nr\xff\xff\xff\xff",
    "calls an array": SIX + b")R",
    "makes an object of an array": SIX + b")\x81",
    "sets an entry of an array": torch_file.mapping({"x": SIX + b"K\x00K\x01s" + b"0N"}) + b"0" + SIX + b"K\x00K\x01s",
    "asks copyreg for a class": b"\x82\x01",
    "loads a persistent text": b"P0\n",
}


@pytest.mark.parametrize("what", ENDLESS)
def test_a_program_that_would_never_end_is_refused_at_once(what, tmp_path):
    for write in (torch_file.zipped, torch_file.streamed):
        path = write(tmp_path / "a.pth", ENDLESS[what], {"0": bytes(24)})
        with pytest.raises(CheckpointError) as refusal:
            read_torch(path)
        assert len(str(refusal.value)) < len(str(path)) + 400


def test_strange_things_beside_the_state_dict_do_no_harm(tmp_path):
    arrays = arrays_of(0)
    beside = {
        "by pairs": b"}" + twice(80) + b"Ns",
        "default": b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(" + torch_file.text("a") + b"]u",
        "deque": b"ccollections\ndeque\n)R(K\x01K\x02e",
        "date": b"cdatetime\ndate\nU\x04\x07\xe4\x01\x01\x85R",
        "object": b"cmodels\nOptions\n)\x81}" + torch_file.text("lr") + b"K\x01sb",
    }
    program = torch_file.mapping(beside | {"model": torch_file.state_dict(arrays)})
    assert_same(read_torch(torch_file.zipped(tmp_path / "a.pth", program, torch_file.storages(arrays))), arrays)


def peak_of(action):
    """Return the most bytes that were held in between."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_thousand_tensors_of_one_storage_take_the_room_of_one(tmp_path):
    size = 1_000_000
    entries = {str(n): torch_file.tensor("0", "Byte", size, 0, [size], [1]) for n in range(1000)}
    path = torch_file.zipped(tmp_path / "a.pth", torch_file.mapping(entries), {"0": bytes(size)})
    assert peak_of(lambda: read_torch(path)) < 20e6  # copies would be 1 GB
    path = torch_file.streamed(tmp_path / "b.pth", torch_file.mapping(entries), {"0": bytes(size)}, 1)
    assert peak_of(lambda: read_torch(path)) < 20e6


def test_parts_of_an_archive_that_lie_on_each_other_are_refused(tmp_path):
    path = torch_file.zipped(tmp_path / "a.pth", torch_file.mapping({"x": SIX}), {"0": bytes(24)})
    content = path.read_bytes()
    (start,) = struct.unpack("<I", content[-6:-2])  # of the list of parts
    entry = content[start : content.index(b"PK\x01\x02", start + 4)]
    many = content[:start] + entry * 60 + content[start:-22]
    length, count = len(many) - start, 60 + content[start:].count(b"PK\x01\x02")
    path.write_bytes(many + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, length, start, 0))
    for n in range(60):  # each of its own name
        place = start + n * len(entry) + 46
        content = bytearray(path.read_bytes())
        content[place : place + 2] = f"{n:02}".encode()
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"on top of each other"):
        read_torch(path)


def test_thin_arrays_cannot_ask_for_a_layer_of_terabytes():
    _, arrays = published(NETWORKS["CNN14"])
    thin = np.broadcast_to(np.float32(0), (1_000_000, 1, 3, 3))
    with pytest.raises(CheckpointError, match=r"need \d+ numbers, the file holds \d+: their shapes do not fit"):
        network_of(arrays | {"conv_block1.conv1.weight": thin, "conv_block1.conv2.weight": thin})


@given(st.binary(max_size=200), st.booleans())
def test_a_program_of_any_bytes_is_a_refusal(tmp_path_factory, program, old):
    path = tmp_path_factory.mktemp("program") / "a.pth"
    (torch_file.streamed if old else torch_file.zipped)(path, program, {"0": bytes(24)})
    with pytest.raises(CheckpointError, match=r"a\.pth"):
        read_torch(path)


PIECES = [
    b"(", b")", b"]", b"}", b"t", b"2", b"0", b"1", b"N", b"K\x00", b"K\x06", b"\x85", b"\x86", b"\x87", b"R", b"Q",
    b"\x81", b"b", b"s", b"u", b"a", b"e", b"q\x00", b"h\x00", torch_file.text("x"), torch_file.text("storage"),
    b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n",
    b"cposix\nsystem\n", SIX, STORAGE,
]  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=40), st.booleans())
def test_a_program_of_any_pieces_is_tensors_or_a_refusal(tmp_path_factory, pieces, old):
    path = tmp_path_factory.mktemp("program") / "a.pth"
    (torch_file.streamed if old else torch_file.zipped)(path, b"".join(pieces), {"0": bytes(24)})
    try:
        assert all(isinstance(array, np.ndarray) for array in read_torch(path).values())
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017 (either is right)


@given(seeds, st.booleans())
def test_whatever_happens_to_the_bytes_it_is_tensors_or_a_refusal(tmp_path_factory, seed, old):
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("fuzz") / "a.pth"
    arrays = arrays_of(seed)
    write = torch_file.streamed if old else torch_file.zipped
    damaged = bytearray(write(path, torch_file.state_dict(arrays, old=old), torch_file.storages(arrays)).read_bytes())
    for place in rng.integers(len(damaged), size=rng.integers(1, 5)):
        damaged[place] = rng.integers(256)
    path.write_bytes(damaged[: rng.integers(len(damaged)) if rng.random() < 0.3 else None])
    try:
        assert all(isinstance(array, np.ndarray) for array in read_torch(path).values())
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017 (either is right)


# safetensors


def test_a_safetensors_file_typed_out(tmp_path):
    header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"made":"by hand"}}'
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<ff", 1, -2))
    found, texts = read_safetensors(tmp_path / "a.safetensors")
    assert_same(found, {"x": np.array([1, -2], "f4")})
    assert texts == {"made": "by hand"}


@given(seeds)
def test_what_is_written_is_read_again(tmp_path_factory, seed):
    path, arrays = tmp_path_factory.mktemp("round") / "a.safetensors", arrays_of(seed, [*KINDS, "u8", "u4", "u2"])
    write_safetensors(path, arrays | {"turned": np.arange(6.0).reshape(2, 3).T}, {"seed": str(seed)})
    found, texts = read_safetensors(path)
    assert found.pop("turned").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert_same(found, arrays)
    assert texts == {"seed": str(seed)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"dtype": "F31"}, "expected one of F64, .* got dtype 'F31'"),
        ({"shape": [3]}, "expected 3 numbers of 4 bytes each, got 8 bytes"),
        ({"shape": [-1, -2]}, "expected a shape"),
        ({"data_offsets": [0, 12]}, "bytes 0 to 12 of 8"),
        ({"data_offsets": [4, 8], "shape": [1]}, "overlap, or bytes belong to none"),
        ({"data_offsets": [0, 4], "shape": [1]}, "overlap, or bytes belong to none"),
        ({"data_offsets": [8, 0]}, "bytes 8 to 0"),
        ({"data_offsets": None}, "damaged"),
        ({"shape": [2] * 65}, "expected a shape"),
        ({"shape": [10**4000] * 20}, "expected a shape"),
        ({"shape": [2.0]}, "expected a shape"),
        ({"shape": 2}, "damaged"),
        ({"dtype": ["F32"]}, "damaged"),
    ],
)
def test_a_safetensors_file_that_contradicts_itself_is_refused(change, message, tmp_path):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change
    header = json.dumps({"x": entry}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(CheckpointError, match=message):
        read_safetensors(tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"1",
        b"{",
        b"[" * 100_000,
        b'{"__metadata__": 5}',
        b'{"__metadata__": ["ab", 5]}',
        b'{"x": 1}',
        b'{"x": {}}',
    ],
)
def test_a_header_that_is_none_is_refused(header, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        read_safetensors(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="damaged"):
        read_safetensors(tmp_path)  # a folder


def test_ten_thousand_tensors_in_one_place_are_refused_before_they_are_read(tmp_path):
    size = 1_000_000
    entry = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = json.dumps({str(n): entry for n in range(10_000)}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))
    with pytest.raises(CheckpointError, match="overlap"):
        read_safetensors(tmp_path / "a.safetensors")


@given(seeds)
def test_a_damaged_safetensors_file_is_tensors_or_a_refusal(tmp_path_factory, seed):
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("fuzz") / "a.safetensors"
    write_safetensors(path, arrays_of(seed))
    damaged = bytearray(path.read_bytes())
    for place in rng.integers(min(200, len(damaged)), size=rng.integers(1, 4)):
        damaged[place] = rng.integers(256)
    path.write_bytes(damaged)
    try:
        assert all(isinstance(array, np.ndarray) for array in read_safetensors(path)[0].values())
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017 (either is right)


def test_numbers_that_safetensors_does_not_have_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(CheckpointError, match="x: safetensors has no complex128; convert it first"):
        write_safetensors(tmp_path / "a.safetensors", {"x": np.zeros(2, complex)})
    assert not list(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match="there is no file"):
        read_safetensors(tmp_path / "a.safetensors")
    (tmp_path / "twice").write_bytes(struct.pack("<Q", 16) + b'{"x": 1, "x": 2}')
    with pytest.raises(CheckpointError, match="a name comes twice"):
        read_safetensors(tmp_path / "twice")


# Published names

NARROW = {"embedding": 12, "mels": 32}
NETWORKS = {
    "CNN14": CNNConfig(5, False, ((8, 8), (8, 12), (12, 12), (12, 16), (16, 16), (16, 20)), **NARROW),
    "QCNN14, pruned": CNNConfig(5, True, ((8, 8), (8, 12), (12, 8), (12, 4), (8, 16), (16, 12)), **NARROW),
    "CNN6": CNNConfig(5, False, ((8,), (12,), (16,), (20,)), last_pool=True, kernel_size=5, **NARROW),
    "QCNN10": CNNConfig(5, True, ((8, 8), (8, 12), (12, 12), (12, 16)), last_pool=True, **NARROW),
    "ResNet": ResNetConfig(5, False, ((8, 8), (12, 8), (8, 8), (8, 12), (12, 12), (16, 20)), stages=(2, 2), **NARROW),
    "QResNet": ResNetConfig(5, True, ((8, 8), (12, 8), (4, 8), (8, 12), (4, 12), (16, 12)), stages=(2, 2), **NARROW),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("form", ["zip", "stream", "safetensors"])
def test_a_network_in_published_names_comes_back_the_same(name, form, tmp_path, rng):
    network, arrays = published(NETWORKS[name])
    noise = {"spectrogram_extractor.stft.conv_real.weight": np.zeros((2, 1, 2), "f4")}
    arrays = {k: v.copy() for k, v in (arrays | noise).items()}
    if form == "safetensors":
        write_safetensors(path := tmp_path / "it.safetensors", arrays)
    else:
        write, old = (torch_file.zipped, False) if form == "zip" else (torch_file.streamed, True)
        path = write(tmp_path / "it.pth", torch_file.state_dict(arrays, old=old), torch_file.storages(arrays))
    found = load_network(path)
    assert found.config == NETWORKS[name]
    x = draw(rng, 2, 64, 32, 4, dtype=np.float32)
    assert_close(found(x).data, network(x).data)


def test_arrays_that_make_no_network_are_refused_by_name():
    _, arrays = published(NETWORKS["CNN14"])
    missing = {name: array for name, array in arrays.items() if name != "conv_block3.bn2.running_var"}
    with pytest.raises(CheckpointError, match=r"an array conv_block3\.bn2\.running_var, .*missing"):
        network_of(missing)
    with pytest.raises(CheckpointError, match=r"got also gru\.weight_hh"):
        network_of(arrays | {"gru.weight_hh": np.zeros(3)})
    with pytest.raises(CheckpointError, match=r"conv_block1\.conv1\.weight and so on"):
        network_of({"bn0.weight": np.zeros(64)})
    with pytest.raises(CheckpointError, match=r"wrong shape: blocks\.1\.norms\.0\.running_mean"):
        network_of(arrays | {"conv_block2.bn1.running_mean": np.zeros(3, np.float32)})


# A second opinion


@pytest.mark.parity
@pytest.mark.parametrize("old", [False, True])
def test_files_of_pytorch_itself(old, torch, tmp_path):
    x = torch.arange(24.0).reshape(2, 3, 4)
    content = {
        "view": x[:, 1:, ::2],
        "turned": x.permute(2, 0, 1),
        "parameter": torch.nn.Parameter(x.clone()),
        "shared": x[0],
        "number": torch.tensor(3),
        "empty": torch.zeros(0, 2),
        **{str(kind): x.to(kind) for kind in (torch.float64, torch.float16, torch.int16, torch.uint8, torch.bool)},
        "bfloat16": (x / 7).to(torch.bfloat16),
    }
    torch.save({"model": content, "step": 3}, tmp_path / "a.pth", _use_new_zipfile_serialization=not old)
    found = read_torch(tmp_path / "a.pth")
    assert found.keys() == content.keys()
    for name, tensor in content.items():
        tensor = tensor.float() if name == "bfloat16" else tensor
        assert (found[name] == tensor.detach().numpy()).all()
        assert found[name].dtype == tensor.detach().numpy().dtype


@pytest.mark.parity
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_checkpoints_of_pytorch_with_other_things_beside_the_model(protocol, torch, tmp_path):
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 3)).sum().backward()
    optimizer.step()
    content = {
        "iteration": 1000,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "sampler": {"indexes": np.arange(5), "pointer": np.int64(3), (1, 2): "a key that is a tuple"},
        "made": datetime.date(2020, 1, 1),
        "classes": frozenset({"dog"}),
        "statistics": [1.5, None, True, 10**30, b"bytes", "text"],
    }
    torch.save(content, tmp_path / "a.pth", pickle_protocol=protocol)
    found = read_torch(tmp_path / "a.pth")
    assert_same(found, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    for name, what in (("whole", model), ("complex", {"x": torch.zeros(2, dtype=torch.complex64)})):
        torch.save(what, tmp_path / f"{name}.pth", pickle_protocol=protocol)
        with pytest.raises(CheckpointError, match=r"holds a torch.nn.modules.container.Sequential|ComplexFloatStorage"):
            read_torch(tmp_path / f"{name}.pth")


@pytest.mark.parity
@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_gives_the_same_logits(name, torch, tmp_path, rng):
    torch.manual_seed(0)
    twin = panns_twin.twin(torch, NETWORKS[name])
    torch.save({"iteration": 1, "model": twin.state_dict()}, tmp_path / "it.pth")
    network, x = load_network(tmp_path / "it.pth"), draw(rng, 2, 96, 32, 4, dtype=np.float32)
    with torch.no_grad():
        expected = twin(torch.from_numpy(asnumpy(x))).numpy()
    assert network.config == NETWORKS[name]
    np.testing.assert_allclose(asnumpy(network(x).data), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parity
@pytest.mark.parametrize("old", [False, True])
def test_cnn14_of_its_authors_from_sound_to_embedding(old, torch, tmp_path, rng):
    """Their class in its full size, saved by PyTorch: the same file, the same sound, the same answer."""
    theirs = cnn14_of_its_authors(torch)
    torch.save(
        {"iteration": 1, "model": theirs.state_dict()}, tmp_path / "it.pth", _use_new_zipfile_serialization=not old
    )
    network, waveform = load_network(tmp_path / "it.pth"), 0.1 * rng.standard_normal(64000).astype(np.float32)
    assert network.config == cnn14(527)
    embedding = network.embed(xp.asarray(FrontEnd(clip_seconds=2.0)(waveform, 32000)[None]))
    found = asnumpy(embedding.data)
    with torch.no_grad():
        expected = {name: each.numpy() for name, each in theirs(torch.from_numpy(waveform)[None]).items()}
    assert np.abs(found - expected["embedding"]).max() <= 1e-4 * expected["embedding"].max()
    probabilities = 1 / (1 + np.exp(-asnumpy(network.classifier(embedding).data)))
    np.testing.assert_allclose(probabilities, expected["clipwise_output"], rtol=0, atol=1e-4)


def cnn14_of_its_authors(torch):
    """The network of the package panns_inference, whose own start, which downloads something, is passed over."""
    for name in ("librosa", "torchlibrosa"):
        pytest.importorskip(name, reason=f"{name} is not installed: no second opinion on CNN14")
    package = find_spec("panns_inference")
    if package is None:
        pytest.skip("panns_inference is not installed: no second opinion on CNN14")
    folder = ModuleType("panns_inference")
    folder.__path__ = list(package.submodule_search_locations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "panns_inference", folder)
        models = import_module("panns_inference.models")
        patch.delitem(sys.modules, "panns_inference.models")
    torch.manual_seed(0)
    network = models.Cnn14(32000, 1024, 320, 64, 50, 14000, 527)
    panns_twin.as_if_trained(torch, network)
    network.bn0.running_mean.fill_(-25)  # decibels
    network.bn0.running_var.fill_(150)
    return network.eval()


@pytest.mark.parity
def test_safetensors_of_hugging_face_itself(tmp_path):
    theirs = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed: no second opinion")
    arrays = arrays_of(3, KINDS)
    theirs.save_file(arrays, tmp_path / "a.safetensors", {"by": "them"})
    assert_same(read_safetensors(tmp_path / "a.safetensors")[0], arrays)
    write_safetensors(tmp_path / "b.safetensors", arrays, {"by": "us"})
    assert_same(theirs.load_file(tmp_path / "b.safetensors"), arrays)
