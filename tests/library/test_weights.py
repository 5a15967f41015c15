"""Test readers of PyTorch and safetensors files, and networks with published parameter names.

A PyTorch file is a pickle, and a pickle can call any function. `read_torch` has a restricted unpickler that creates
tensors only. Damaged and malicious files must raise CheckpointError. They must not run code, allocate more memory than
the size of the file, or take exponential time.
"""

import datetime
import json
import struct
import sys
import tracemalloc
import zipfile
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import torch_file, torch_panns
from support.arrays import assert_close, draw
from support.published import published_state_dict
from support.strategies import seeds

from quatnet.audio import FrontEnd
from quatnet.backend import asnumpy, xp
from quatnet.errors import CheckpointError, MissingPackageError
from quatnet.models import CNNConfig, ResNetConfig, cnn14
from quatnet.npz import write_npz
from quatnet.training import load_model
from quatnet.weights import load_network, network_from_state_dict, read_safetensors, read_torch, write_safetensors

DTYPES = ["f8", "f4", "f2", "i8", "i4", "i2", "i1", "u1", "?"]


def random_arrays(seed, dtypes=("f4",)):
    rng = np.random.default_rng(seed)
    shapes = [(), (3,), (2, 3), (0, 4), (2, 1, 5)]
    arrays = {f"part.{n}": rng.integers(0, 100, shape) for n, shape in enumerate(shapes)}
    return {f"{dtype}.{name}": array.astype(dtype) for dtype in dtypes for name, array in arrays.items()}


def assert_equal(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype
        assert actual[name].shape == array.shape
        assert (actual[name] == array).all()


# PyTorch files


@pytest.mark.parametrize("dtype", DTYPES)
def test_read_torch_dtypes(dtype, tmp_path):
    arrays = random_arrays(0, [dtype])
    storages = torch_file.storage_bytes(arrays)
    assert_equal(read_torch(torch_file.write_zip(tmp_path / "a.pth", torch_file.state_dict(arrays), storages)), arrays)
    program = torch_file.state_dict(arrays, legacy=True)
    assert_equal(
        read_torch(torch_file.write_stream(tmp_path / "b.pth", program, storages, np.dtype(dtype).itemsize)), arrays
    )


def test_read_torch_big_endian(tmp_path):
    program, raw = torch_file.state_dict({"x": np.zeros(3, "f4")}), np.array([1, 2, -3], ">f4").tobytes()
    loaded = read_torch(torch_file.write_zip(tmp_path / "a.pth", program, {"0": raw}, byte_order="big"))
    assert_equal(loaded, {"x": np.array([1, 2, -3], "f4")})


def test_read_torch_bfloat16(tmp_path):
    # a bfloat16 is the upper half of a float32: 1.5 is 0x3FC00000, and -2 is 0xC0000000
    program = torch_file.dictionary({"x": torch_file.tensor("0", "BFloat16", 2, 0, [2], [1])})
    loaded = read_torch(torch_file.write_zip(tmp_path / "a.pth", program, {"0": struct.pack("<HH", 0x3FC0, 0xC000)}))
    assert_equal(loaded, {"x": np.array([1.5, -2], "f4")})


def test_read_torch_views_of_one_storage(tmp_path):
    entries = {
        "contiguous": torch_file.tensor("0", "Float", 6, 0, [2, 3], [3, 1]),
        "transposed": torch_file.tensor("0", "Float", 6, 0, [3, 2], [1, 3]),
        "strided": torch_file.tensor("0", "Float", 6, 1, [3], [2]),
    }
    raw = np.arange(6, dtype="f4").tobytes()
    loaded = read_torch(torch_file.write_zip(tmp_path / "a.pth", torch_file.dictionary(entries), {"0": raw}))
    assert loaded["contiguous"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert loaded["transposed"].tolist() == [[0, 3], [1, 4], [2, 5]]
    assert loaded["strided"].tolist() == [1, 3, 5]


@pytest.mark.parametrize("key", ["model", "state_dict", "model_state_dict"])
def test_read_torch_state_dict_inside_a_checkpoint(key, tmp_path):
    arrays = random_arrays(0)
    sampler = b"cnumpy.core.multiarray\n_reconstruct\n)R" + b"}b"  # NumPy array in a checkpoint of PANNs
    program = torch_file.dictionary({"sampler": sampler, key: torch_file.state_dict(arrays), "step": b"K\x07"})
    assert_equal(
        read_torch(torch_file.write_zip(tmp_path / "a.pth", program, torch_file.storage_bytes(arrays))), arrays
    )


# Damaged and malicious PyTorch files


def test_read_torch_does_not_call_functions(tmp_path):
    side_effect = tmp_path / "called"
    call = b"cposix\nsystem\n(" + torch_file.string(f"touch {side_effect}") + b"tR"
    for program in (torch_file.dictionary({"x": call}), call):
        for write in (torch_file.write_zip, torch_file.write_stream):
            with pytest.raises(CheckpointError, match=r"posix\.system"):
                read_torch(write(tmp_path / "a.pth", program, {}))
    assert not side_effect.exists()


@pytest.mark.parametrize(
    ("size", "strides", "offset"),
    [([7], [1], 0), ([2, 3], [4, 1], 0), ([6], [1], 1), ([-1], [1], 0), ([3], [-1], 2), ([9, 9], [0, 0], 0)],
)
def test_read_torch_tensor_outside_of_its_storage(size, strides, offset, tmp_path):
    program = torch_file.dictionary({"x": torch_file.tensor("0", "Float", 6, offset, size, strides)})
    with pytest.raises(CheckpointError, match="exceeds its storage of 6 elements"):
        read_torch(torch_file.write_zip(tmp_path / "a.pth", program, {"0": bytes(24)}))


@pytest.mark.parametrize(
    ("program", "storages", "message"),
    [
        (torch_file.dictionary({"x": torch_file.integer(3)}), {}, "expected a tensor under the name 'x', got int"),
        (torch_file.integer(3), {}, "expected a state dict of tensors by name, got int"),
        (b"}", {}, "expected a state dict"),
        (b"cmodels\nCnn14\n)R", {}, r"got an object models.Cnn14; save model.state_dict\(\) instead"),
        (torch_file.state_dict({"x": np.zeros(3, "f4")}), {"0": bytes(11)}, "3 elements of 4 bytes each, got 11 bytes"),
        (torch_file.state_dict({"x": np.zeros(3, "f4")}), {}, "damaged"),
        (
            torch_file.dictionary({"x": torch_file.tensor("0", "QInt8", 6, 0, [6], [1])}),
            {"0": bytes(6)},
            "QInt8Storage",
        ),
    ],
)
def test_read_torch_not_a_state_dict(program, storages, message, tmp_path):
    with pytest.raises(CheckpointError, match=message):
        read_torch(torch_file.write_zip(tmp_path / "a.pth", program, storages))


def test_read_torch_not_a_torch_file(tmp_path):
    with pytest.raises(CheckpointError, match="there is no file"):
        read_torch(tmp_path / "no.pth")
    compressed = torch_file.write_zip(
        tmp_path / "a.pth", torch_file.dictionary({}), {}, compression=zipfile.ZIP_DEFLATED
    )
    with pytest.raises(CheckpointError, match="compressed"):
        read_torch(compressed)
    for content in (b"", b"RIFF", b"\x80\x02K\x01.", b"PK\x03\x04"):
        (tmp_path / "b.pth").write_bytes(content)
        with pytest.raises(CheckpointError, match=r"damaged|expected a zip archive or a stream"):
            read_torch(tmp_path / "b.pth")


def nested_pairs(depth, innermost=b")"):
    """Return the opcodes of nested pairs. Both elements of a pair are the same pair.

    A nesting of depth d has 2^d leaves in 2 d bytes.
    """
    return innermost + b"2\x86" * depth


SIX_FLOATS = torch_file.tensor("0", "Float", 6, 0, [6], [1])
STORAGE = b"(" + torch_file.string("storage") + b"ctorch\nFloatStorage\n"
MALICIOUS = {  # effect without a restricted unpickler -> pickle program
    "exponential time: hash of a key": b"}" + nested_pairs(80) + b"Ns",
    "exponential time: hash of one of several keys": b"}(" + nested_pairs(80) + b"Nu",
    "stack overflow in a hash": b"}" + b")" + b"\x85" * 300_000 + b"Ns",
    "exponential time: hash of the items of a dictionary": b"ccollections\nOrderedDict\n]("
    + nested_pairs(80)
    + b"N\x86e\x85R",
    "exponential time: hash of the items of a set": b"\x8f(" + nested_pairs(80) + b"\x90",
    "exponential time: hash of the items of a frozenset": b"(" + nested_pairs(80) + b"\x91",
    "exponential time: repr of a storage key": torch_file.dictionary(
        {"x": STORAGE + nested_pairs(80) + torch_file.string("cpu") + b"K\x06tQ"}
    ),
    "exponential time: repr of a storage type": torch_file.dictionary(
        {"x": b"(" + torch_file.string("storage") + nested_pairs(80) + torch_file.string("0") + b"NK\x06tQ"}
    ),
    "exponential time: repr of a shape": SIX_FLOATS.replace(
        torch_file.integer_tuple([6]), b"K\x06" + nested_pairs(80) + b"\x86"
    ),
    "bytearray of exabytes": b"\x96" + struct.pack("<Q", 2**62),
    "string of exabytes": b"\x8d" + struct.pack("<Q", 2**62),
    "memo index of 4 billion": b"Nr\xff\xff\xff\xff",
    "calls an array": SIX_FLOATS + b")R",
    "creates an object of an array": SIX_FLOATS + b")\x81",
    "sets an entry of an array": torch_file.dictionary({"x": SIX_FLOATS + b"K\x00K\x01s" + b"0N"})
    + b"0"
    + SIX_FLOATS
    + b"K\x00K\x01s",
    "class from copyreg": b"\x82\x01",
    "persistent id as text": b"P0\n",
}


@pytest.mark.parametrize("effect", MALICIOUS)
def test_read_torch_malicious_program(effect, tmp_path):
    for write in (torch_file.write_zip, torch_file.write_stream):
        path = write(tmp_path / "a.pth", MALICIOUS[effect], {"0": bytes(24)})
        with pytest.raises(CheckpointError) as error:
            read_torch(path)
        assert len(str(error.value)) < len(str(path)) + 400


def test_read_torch_ignores_other_objects_of_a_checkpoint(tmp_path):
    arrays = random_arrays(0)
    others = {
        "nested pairs": b"}" + nested_pairs(80) + b"Ns",
        "default": b"ccollections\ndefaultdict\nc__builtin__\nlist\n\x85R(" + torch_file.string("a") + b"]u",
        "deque": b"ccollections\ndeque\n)R(K\x01K\x02e",
        "date": b"cdatetime\ndate\nU\x04\x07\xe4\x01\x01\x85R",
        "object": b"cmodels\nOptions\n)\x81}" + torch_file.string("lr") + b"K\x01sb",
    }
    program = torch_file.dictionary(others | {"model": torch_file.state_dict(arrays)})
    assert_equal(
        read_torch(torch_file.write_zip(tmp_path / "a.pth", program, torch_file.storage_bytes(arrays))), arrays
    )


def peak_memory(function):
    """Return the peak of the allocated memory during a call, in bytes."""
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_read_torch_does_not_copy_a_shared_storage(tmp_path):
    size = 1_000_000
    entries = {str(n): torch_file.tensor("0", "Byte", size, 0, [size], [1]) for n in range(1000)}
    path = torch_file.write_zip(tmp_path / "a.pth", torch_file.dictionary(entries), {"0": bytes(size)})
    assert peak_memory(lambda: read_torch(path)) < 20e6  # copies would need 1 GB
    path = torch_file.write_stream(tmp_path / "b.pth", torch_file.dictionary(entries), {"0": bytes(size)}, 1)
    assert peak_memory(lambda: read_torch(path)) < 20e6


def test_read_torch_overlapping_archive_members(tmp_path):
    path = torch_file.write_zip(tmp_path / "a.pth", torch_file.dictionary({"x": SIX_FLOATS}), {"0": bytes(24)})
    content = path.read_bytes()
    (start,) = struct.unpack("<I", content[-6:-2])  # start of the central directory
    entry = content[start : content.index(b"PK\x01\x02", start + 4)]
    repeated = content[:start] + entry * 60 + content[start:-22]
    length, count = len(repeated) - start, 60 + content[start:].count(b"PK\x01\x02")
    path.write_bytes(repeated + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, count, count, length, start, 0))
    for n in range(60):  # change the name of each entry
        position = start + n * len(entry) + 46
        content = bytearray(path.read_bytes())
        content[position : position + 2] = f"{n:02}".encode()
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="archive members overlap"):
        read_torch(path)


def test_network_larger_than_its_file():
    _, arrays = published_state_dict(NETWORKS["CNN14"])
    thin = np.broadcast_to(np.float32(0), (1_000_000, 1, 3, 3))
    with pytest.raises(CheckpointError, match=r"have \d+ parameters and the file has \d+: the shapes do not match"):
        network_from_state_dict(arrays | {"conv_block1.conv1.weight": thin, "conv_block1.conv2.weight": thin})


@given(st.binary(max_size=200), st.booleans())
def test_read_torch_random_bytes(tmp_path_factory, program, legacy):
    path = tmp_path_factory.mktemp("program") / "a.pth"
    (torch_file.write_stream if legacy else torch_file.write_zip)(path, program, {"0": bytes(24)})
    with pytest.raises(CheckpointError, match=r"a\.pth"):
        read_torch(path)


OPCODES = [
    b"(", b")", b"]", b"}", b"t", b"2", b"0", b"1", b"N", b"K\x00", b"K\x06", b"\x85", b"\x86", b"\x87", b"R", b"Q",
    b"\x81", b"b", b"s", b"u", b"a", b"e", b"q\x00", b"h\x00", torch_file.string("x"), torch_file.string("storage"),
    b"ctorch\nFloatStorage\n", b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n",
    b"cposix\nsystem\n", SIX_FLOATS, STORAGE,
]  # fmt: skip


@given(st.lists(st.sampled_from(OPCODES), max_size=40), st.booleans())
def test_read_torch_random_opcodes(tmp_path_factory, opcodes, legacy):
    path = tmp_path_factory.mktemp("program") / "a.pth"
    (torch_file.write_stream if legacy else torch_file.write_zip)(path, b"".join(opcodes), {"0": bytes(24)})
    try:
        assert all(isinstance(array, np.ndarray) for array in read_torch(path).values())
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017 (arrays and an error are both correct)


@given(seeds, st.booleans())
def test_read_torch_damaged_bytes(tmp_path_factory, seed, legacy):
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("fuzz") / "a.pth"
    arrays = random_arrays(seed)
    write = torch_file.write_stream if legacy else torch_file.write_zip
    damaged = bytearray(
        write(path, torch_file.state_dict(arrays, legacy=legacy), torch_file.storage_bytes(arrays)).read_bytes()
    )
    for position in rng.integers(len(damaged), size=rng.integers(1, 5)):
        damaged[position] = rng.integers(256)
    path.write_bytes(damaged[: rng.integers(len(damaged)) if rng.random() < 0.3 else None])
    try:
        assert all(isinstance(array, np.ndarray) for array in read_torch(path).values())
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017 (arrays and an error are both correct)


# safetensors files


def test_read_safetensors_bytes(tmp_path):
    header = b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"__metadata__":{"made":"by hand"}}'
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + struct.pack("<ff", 1, -2))
    loaded, metadata = read_safetensors(tmp_path / "a.safetensors")
    assert_equal(loaded, {"x": np.array([1, -2], "f4")})
    assert metadata == {"made": "by hand"}


@given(seeds)
def test_safetensors_round_trip(tmp_path_factory, seed):
    path, arrays = tmp_path_factory.mktemp("round") / "a.safetensors", random_arrays(seed, [*DTYPES, "u8", "u4", "u2"])
    write_safetensors(path, arrays | {"transposed": np.arange(6.0).reshape(2, 3).T}, {"seed": str(seed)})
    loaded, metadata = read_safetensors(path)
    assert loaded.pop("transposed").tolist() == [[0, 3], [1, 4], [2, 5]]
    assert_equal(loaded, arrays)
    assert metadata == {"seed": str(seed)}


@pytest.mark.parametrize(
    "change",
    [
        {"dtype": "F31"},
        {"shape": [3]},
        {"shape": [-1, -2]},
        {"data_offsets": [0, 12]},
        {"data_offsets": [4, 8], "shape": [1]},
        {"data_offsets": [0, 4], "shape": [1]},
        {"data_offsets": [8, 0]},
        {"data_offsets": None},
        {"shape": [2] * 65},
        {"shape": [1] * 64 + [2]},
        {"shape": [10**4000] * 20},
        {"shape": [2.0]},
        {"shape": 2},
        {"dtype": ["F32"]},
    ],
)
def test_read_safetensors_inconsistent_header(change, tmp_path):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | change
    header = json.dumps({"x": entry}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(8))
    with pytest.raises(CheckpointError, match=r"a\.safetensors is damaged"):
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
def test_read_safetensors_invalid_header(header, tmp_path):
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    with pytest.raises(CheckpointError, match=r"a\.safetensors"):
        read_safetensors(tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="damaged"):
        read_safetensors(tmp_path)  # the path of a directory


def test_read_safetensors_overlapping_tensors_are_not_read(tmp_path):
    size = 1_000_000
    entry = {"dtype": "U8", "shape": [size], "data_offsets": [0, size]}
    header = json.dumps({str(n): entry for n in range(10_000)}).encode()
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(size))

    def read():
        with pytest.raises(CheckpointError, match="damaged"):
            read_safetensors(tmp_path / "a.safetensors")

    assert peak_memory(read) < 20e6  # copies would need 10 GB


@given(seeds)
def test_read_safetensors_damaged_bytes(tmp_path_factory, seed):
    rng, path = np.random.default_rng(seed), tmp_path_factory.mktemp("fuzz") / "a.safetensors"
    write_safetensors(path, random_arrays(seed))
    damaged = bytearray(path.read_bytes())
    for position in rng.integers(min(200, len(damaged)), size=rng.integers(1, 4)):
        damaged[position] = rng.integers(256)
    path.write_bytes(damaged)
    try:
        assert all(isinstance(array, np.ndarray) for array in read_safetensors(path)[0].values())
    except CheckpointError as error:
        assert str(path) in str(error)  # noqa: PT017 (arrays and an error are both correct)


def test_write_safetensors_unsupported_dtype(tmp_path):
    with pytest.raises(CheckpointError, match="x: safetensors has no complex128; convert it first"):
        write_safetensors(tmp_path / "a.safetensors", {"x": np.zeros(2, complex)})
    assert not list(tmp_path.iterdir())
    with pytest.raises(CheckpointError, match="there is no file"):
        read_safetensors(tmp_path / "a.safetensors")
    (tmp_path / "twice").write_bytes(struct.pack("<Q", 16) + b'{"x": 1, "x": 2}')
    with pytest.raises(CheckpointError, match="twice is damaged"):
        read_safetensors(tmp_path / "twice")


@pytest.mark.parametrize("shape", [[2], [2, 1], []])
def test_read_safetensors_bfloat16(shape, tmp_path):
    bits = struct.pack("<HH", 0x3FC0, 0xC000)[: 2 * int(np.prod(shape))]  # 1.5 and -2, as in test_read_torch_bfloat16
    write_raw_safetensors(tmp_path / "a.safetensors", "BF16", shape, bits)
    loaded, _ = read_safetensors(tmp_path / "a.safetensors")
    assert_equal(loaded, {"x": np.array([1.5, -2][: len(bits) // 2], "f4").reshape(shape)})


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2"])
def test_read_safetensors_float8(dtype, tmp_path):
    write_raw_safetensors(tmp_path / "a.safetensors", dtype, [2], bytes(2))
    with pytest.raises(CheckpointError, match=f"x: expected one of F64, .* got dtype '{dtype}'"):
        read_safetensors(tmp_path / "a.safetensors")


def write_raw_safetensors(path, dtype, shape, raw):
    header = json.dumps({"x": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(raw)]}}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + raw)


def test_safetensors_not_installed(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    for function in (lambda: read_safetensors(tmp_path / "a"), lambda: write_safetensors(tmp_path / "a", {})):
        with pytest.raises(MissingPackageError, match=r'pip install "quatnet-numpy\[weights\]"'):
            function()


# Networks from published names

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
@pytest.mark.parametrize("file_format", ["zip", "stream", "safetensors"])
def test_load_network(name, file_format, tmp_path, rng):
    network, arrays = published_state_dict(NETWORKS[name])
    ignored = {"spectrogram_extractor.stft.conv_real.weight": np.zeros((2, 1, 2), "f4")}
    arrays = {k: v.copy() for k, v in (arrays | ignored).items()}
    if file_format == "safetensors":
        write_safetensors(path := tmp_path / "it.safetensors", arrays)
    else:
        write, legacy = (torch_file.write_zip, False) if file_format == "zip" else (torch_file.write_stream, True)
        path = write(
            tmp_path / "it.pth", torch_file.state_dict(arrays, legacy=legacy), torch_file.storage_bytes(arrays)
        )
    loaded = load_network(path)
    assert loaded.config == NETWORKS[name]
    x = draw(rng, 2, 64, 32, 4, dtype=np.float32)
    assert_close(loaded(x).data, network(x).data)


def test_network_from_state_dict_invalid_arrays():
    _, arrays = published_state_dict(NETWORKS["CNN14"])
    missing = {name: array for name, array in arrays.items() if name != "conv_block3.bn2.running_var"}
    with pytest.raises(CheckpointError, match=r"expected an array conv_block3\.bn2\.running_var"):
        network_from_state_dict(missing)
    with pytest.raises(CheckpointError, match=r"got also gru\.weight_hh"):
        network_from_state_dict(arrays | {"gru.weight_hh": np.zeros(3)})
    with pytest.raises(CheckpointError, match=r"such as conv_block1\.conv1\.weight"):
        network_from_state_dict({"bn0.weight": np.zeros(64)})
    with pytest.raises(CheckpointError, match=r"wrong shape: blocks\.1\.norms\.0\.running_mean"):
        network_from_state_dict(arrays | {"conv_block2.bn1.running_mean": np.zeros(3, np.float32)})


# Parity


@pytest.mark.parity
@pytest.mark.parametrize("legacy", [False, True])
def test_read_torch_files_of_torch_save(legacy, torch, tmp_path):
    x = torch.arange(24.0).reshape(2, 3, 4)
    content = {
        "view": x[:, 1:, ::2],
        "permuted": x.permute(2, 0, 1),
        "parameter": torch.nn.Parameter(x.clone()),
        "shared": x[0],
        "scalar": torch.tensor(3),
        "empty": torch.zeros(0, 2),
        **{str(dtype): x.to(dtype) for dtype in (torch.float64, torch.float16, torch.int16, torch.uint8, torch.bool)},
        "bfloat16": (x / 7).to(torch.bfloat16),
    }
    torch.save({"model": content, "step": 3}, tmp_path / "a.pth", _use_new_zipfile_serialization=not legacy)
    loaded = read_torch(tmp_path / "a.pth")
    assert loaded.keys() == content.keys()
    for name, tensor in content.items():
        tensor = tensor.float() if name == "bfloat16" else tensor
        assert (loaded[name] == tensor.detach().numpy()).all()
        assert loaded[name].dtype == tensor.detach().numpy().dtype


@pytest.mark.parity
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_read_torch_checkpoints_of_torch_save(protocol, torch, tmp_path):
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
    loaded = read_torch(tmp_path / "a.pth")
    assert_equal(loaded, {name: tensor.numpy() for name, tensor in model.state_dict().items()})
    for name, value in (("whole", model), ("complex", {"x": torch.zeros(2, dtype=torch.complex64)})):
        torch.save(value, tmp_path / f"{name}.pth", pickle_protocol=protocol)
        with pytest.raises(
            CheckpointError, match=r"got an object torch.nn.modules.container.Sequential|ComplexFloatStorage"
        ):
            read_torch(tmp_path / f"{name}.pth")


@pytest.mark.parity
@pytest.mark.parametrize("name", NETWORKS)
def test_load_network_logits_of_pytorch(name, torch, tmp_path, rng):
    torch.manual_seed(0)
    torch_model = torch_panns.make_panns(torch, NETWORKS[name])
    torch.save({"iteration": 1, "model": torch_model.state_dict()}, tmp_path / "it.pth")
    network, x = load_network(tmp_path / "it.pth"), draw(rng, 2, 96, 32, 4, dtype=np.float32)
    with torch.no_grad():
        expected = torch_model(torch.from_numpy(asnumpy(x))).numpy()
    assert network.config == NETWORKS[name]
    np.testing.assert_allclose(asnumpy(network(x).data), expected, rtol=0, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parity
@pytest.mark.parametrize("legacy", [False, True])
def test_cnn14_of_panns_inference(legacy, torch, tmp_path, rng):
    """Compare embedding and probabilities with Cnn14 of panns_inference in full size, saved by PyTorch."""
    reference = panns_cnn14(torch)
    torch.save(
        {"iteration": 1, "model": reference.state_dict()},
        tmp_path / "it.pth",
        _use_new_zipfile_serialization=not legacy,
    )
    network, waveform = load_network(tmp_path / "it.pth"), 0.1 * rng.standard_normal(64000).astype(np.float32)
    assert network.config == cnn14(527)
    embedding = network.embed(xp.asarray(FrontEnd(clip_seconds=2.0)(waveform, 32000)[None]))
    actual = asnumpy(embedding.data)
    with torch.no_grad():
        expected = {name: each.numpy() for name, each in reference(torch.from_numpy(waveform)[None]).items()}
    assert np.abs(actual - expected["embedding"]).max() <= 1e-4 * expected["embedding"].max()
    probabilities = 1 / (1 + np.exp(-asnumpy(network.classifier(embedding).data)))
    np.testing.assert_allclose(probabilities, expected["clipwise_output"], rtol=0, atol=1e-4)


def panns_cnn14(torch):
    """Return Cnn14 of panns_inference. The `__init__` of the package is not run, since it downloads a file."""
    for name in ("librosa", "torchlibrosa"):
        pytest.importorskip(name, reason=f"{name} is not installed")
    package = find_spec("panns_inference")
    if package is None:
        pytest.skip("panns_inference is not installed; pip install panns_inference")
    folder = ModuleType("panns_inference")
    folder.__path__ = list(package.submodule_search_locations)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "panns_inference", folder)
        models = import_module("panns_inference.models")
        patch.delitem(sys.modules, "panns_inference.models")
    torch.manual_seed(0)
    network = models.Cnn14(32000, 1024, 320, 64, 50, 14000, 527)
    torch_panns.randomize_batch_norms(torch, network)
    network.bn0.running_mean.fill_(-25)  # in dB
    network.bn0.running_var.fill_(150)
    return network.eval()


# Files of another kind


def write_foreign_files(folder: Path) -> None:
    arrays = {"layer1.weight": np.ones((3, 3), np.float32), "layer1.bias": np.ones(3, np.float32)}
    storages = torch_file.storage_bytes(arrays)
    torch_file.write_zip(folder / "new.pt", torch_file.state_dict(arrays), storages)
    torch_file.write_stream(folder / "old.pt", torch_file.state_dict(arrays, legacy=True), storages, 4)
    write_safetensors(folder / "new.safetensors", arrays)


@pytest.mark.parametrize(
    ("name", "reader"), [("new.pt", "torch"), ("old.pt", "torch"), ("new.safetensors", "safetensors")]
)
def test_functions_for_files_of_another_kind(tmp_path: Path, name: str, reader: str) -> None:
    write_foreign_files(tmp_path)
    with pytest.raises(CheckpointError, match=rf"{name}.*weights.read_{reader} returns .*layer1.weight"):
        load_network(tmp_path / name)
    with pytest.raises(CheckpointError, match=rf"{name}.*weights.load_network reads PyTorch and safetensors files"):
        load_model(tmp_path / name)


def test_load_network_of_a_checkpoint(tmp_path: Path) -> None:
    write_npz(tmp_path / "run.npz", {"header": np.array("{}"), "model/weight": np.ones(3)})
    with pytest.raises(
        CheckpointError, match=r"run.npz: .*header.npy, model/weight.npy.*training.load_model reads .npz"
    ):
        load_network(tmp_path / "run.npz")
