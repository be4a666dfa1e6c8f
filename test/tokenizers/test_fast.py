from __future__ import annotations

import itertools
import json
import math
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from reasoning_vla_ros.tokenizers import InvalidTokensError, TrajectoryTokenizer, create_tokenizer
from reasoning_vla_ros.tokenizers.factory import create_action_tokenizer
from reasoning_vla_ros.tokenizers.fast import FASTBPEActionTokenizer

T, D = 20, 3
SCALE = 10


def chunks(count: int, seed: int, size: float = 1.0) -> np.ndarray:
    """Random walks, float32 [count, T, D]."""
    rng = np.random.default_rng(seed)
    walk = rng.uniform(-1, 1, (count, 1, D)) + np.cumsum(rng.normal(0, 0.05, (count, T, D)), axis=1)
    return (size * walk).astype(np.float32)


@pytest.fixture(scope="module")
def fitted() -> FASTBPEActionTokenizer:
    return FASTBPEActionTokenizer(bpe_vocab_size=400).fit(chunks(800, seed=0))


@pytest.fixture(scope="module")
def public_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as the public processor has it, vocabulary and all, written here and not by the package."""
    published = FASTBPEActionTokenizer(scale=SCALE, bpe_vocab_size=400).fit(chunks(800, seed=0), as_published=True)
    folder = tmp_path_factory.mktemp("public")
    definition = published.state_dict()["bpe"].numpy().tobytes()
    (folder / "tokenizer.json").write_bytes(definition)
    config = {
        "action_dim": None,
        "auto_map": {"AutoProcessor": "processing_action_tokenizer.UniversalActionProcessor"},
        "min_token": published.min_token,
        "processor_class": "UniversalActionProcessor",
        "scale": SCALE,
        "time_horizon": None,
        "vocab_size": 400,
    }
    (folder / "processor_config.json").write_text(json.dumps(config))
    return folder


def cosine_transform(chunk: np.ndarray) -> np.ndarray:
    """The orthonormal DCT-II over axis 0, from its definition."""
    steps = len(chunk)
    k, n = np.meshgrid(np.arange(steps), np.arange(steps), indexing="ij")
    basis = np.cos(np.pi * (2 * n + 1) * k / (2 * steps)) * np.sqrt(2 / steps)
    basis[0] /= math.sqrt(2)
    return basis @ chunk


def words_of(text: str) -> list[str]:
    """Text cut by GPT-2's rule, for the code points below 0x100 that these tests use."""
    regex = pytest.importorskip("regex")
    rule = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    return regex.findall(rule, text)


def merge(word: str, merges: dict[tuple[str, str], int]) -> list[str]:
    """Byte-pair coding by its definition: of all neighbours the pair that was learned first, leftmost first."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    names = {byte: chr(byte) for byte in printable}
    names |= {byte: chr(0x100 + i) for i, byte in enumerate(b for b in range(256) if b not in printable)}
    parts = [names[byte] for byte in word.encode()]
    while len(parts) > 1:
        pairs = [merges.get(pair, math.inf) for pair in itertools.pairwise(parts)]
        best = int(np.argmin(pairs))
        if pairs[best] == math.inf:
            break
        parts[best : best + 2] = ["".join(parts[best : best + 2])]
    return parts


def test_ids_are_those_of_the_definition(public_folder: Path) -> None:
    model = json.loads((public_folder / "tokenizer.json").read_text())["model"]
    merges = {tuple(pair.split(" ") if isinstance(pair, str) else pair): i for i, pair in enumerate(model["merges"])}
    min_token = json.loads((public_folder / "processor_config.json").read_text())["min_token"]
    held_out = chunks(40, seed=1)
    expected = []
    for chunk in held_out.astype(np.float64):
        integers = np.round(cosine_transform(chunk) * SCALE).astype(int).flatten() - min_token
        text = "".join(map(chr, integers))
        expected.append([model["vocab"][part] for word in words_of(text) for part in merge(word, merges)])
    tokenizer = FASTBPEActionTokenizer.from_pretrained(public_folder)
    assert tokenizer(held_out) == expected
    decoded = tokenizer.decode(expected, dtype=torch.float64, time_horizon=T, action_dim=D)
    assert np.abs(decoded.numpy() - held_out).max() < math.sqrt(T) / 2 / SCALE
    assert tokenizer.horizon is None


def test_held_out_chunks_come_back_within_half_a_step(fitted: FASTBPEActionTokenizer) -> None:
    held_out = chunks(500, seed=2, size=3.0)  # far beyond the range that the fit has seen
    ids = fitted.encode(held_out)
    assert isinstance(ids, np.ndarray)
    assert ids.shape[1] == fitted.token_counts(ids).max()
    decoded = fitted.decode(ids, dtype=torch.float64)
    assert decoded.shape == held_out.shape
    root = np.sqrt(((decoded - held_out) ** 2).sum(1))
    assert root.max() <= math.sqrt(T) / 2 / SCALE * (1 + 1e-5)
    coefficients = np.stack([cosine_transform(error) for error in decoded - held_out.astype(np.float64)])
    assert np.abs(coefficients).max() <= 0.5 / SCALE + 1e-5


def test_the_same_data_takes_few_tokens(fitted: FASTBPEActionTokenizer) -> None:
    rows = fitted(chunks(200, seed=3))
    assert np.mean([len(row) for row in rows]) < T * D / 3
    assert [row + [fitted.pad_id] * (max(map(len, rows)) - len(row)) for row in rows] == fitted.encode(
        torch.from_numpy(chunks(200, seed=3))
    ).tolist()


@given(arrays(np.float64, (2, T, D), elements=st.floats(-1e9, 1e9)))
@settings(max_examples=30)
def test_any_finite_chunk_decodes_to_itself_or_to_the_end_of_the_range(
    fitted: FASTBPEActionTokenizer, actions: np.ndarray
) -> None:
    steps = np.stack([cosine_transform(chunk) for chunk in actions]) * SCALE
    decoded = fitted.decode(fitted.encode(actions), dtype=torch.float64)
    back = np.stack([cosine_transform(chunk) for chunk in decoded]) * SCALE
    reach = 2**19
    far = np.abs(steps) > reach
    assert np.abs(back - steps)[~far].max(initial=0) <= 0.5 + 1e-6
    assert (np.sign(back) == np.sign(steps))[far].all()
    assert (np.abs(back) >= reach - 1000)[far].all()


@given(st.data())
@settings(max_examples=60)
def test_no_ids_become_silent_zeros(fitted: FASTBPEActionTokenizer, data: st.DataObject) -> None:
    rows = data.draw(
        st.lists(st.lists(st.integers(-2, fitted.vocab_size + 1), min_size=1, max_size=70), min_size=1, max_size=5)
    )
    longest = max(map(len, rows))
    tokens = torch.tensor([row + [fitted.pad_id] * (longest - len(row)) for row in rows])
    actions, valid = fitted.decode(tokens, strict=False)
    assert actions.shape == (len(rows), T, D)
    assert actions[~valid].isnan().all()
    assert actions[valid].isfinite().all()
    if not valid.all():
        with pytest.raises(InvalidTokensError):
            fitted.decode(tokens)
    # What is called valid is what an encoder says: it encodes to ids that decode to it again.
    if valid.any():
        again = fitted.decode(fitted.encode(actions[valid].double()), dtype=torch.float64)
        assert torch.allclose(again.float(), actions[valid], atol=1e-4)


def test_random_and_substituted_ids(fitted: FASTBPEActionTokenizer) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randint(0, fitted.pad_id, (300, 20), generator=generator)
    _, valid = fitted.decode(noise, strict=False)
    assert valid.float().mean() < 0.05
    rows = fitted(chunks(200, seed=4))
    for i, row in enumerate(rows):
        row[i % len(row)] = int(noise[i, 0])
    actions, valid = fitted.decode(rows, strict=False)
    assert (actions[valid].flatten(1).abs().amax(1) > 0).all()
    assert actions[~valid].isnan().all()


def test_pieces_of_characters_spread_over_ids(fitted: FASTBPEActionTokenizer) -> None:
    """Every chunk spelled in single bytes, which no fit would choose, decodes to the same."""
    vocabulary = json.loads(fitted.state_dict()["bpe"].numpy().tobytes())["model"]["vocab"]
    single = {byte: vocabulary[name] for byte, name in _names_of_bytes().items()}
    wild = chunks(5, seed=5, size=40.0)
    rows = fitted(wild)
    spelled = []
    inverse = {index: token for token, index in vocabulary.items()}
    bytes_of = {name: byte for byte, name in _names_of_bytes().items()}
    for row in rows:
        spelled.append([single[bytes_of[name]] for index in row for name in inverse[index]])
    assert torch.equal(fitted.decode(spelled), fitted.decode(rows))
    cut = [spelled[0][:-1], spelled[0] + spelled[0][-1:], spelled[1]]
    actions, valid = fitted.decode(cut, strict=False)
    assert valid.tolist() == [False, False, True]
    assert torch.equal(actions[2], fitted.decode(rows)[1])


def _names_of_bytes() -> dict[int, str]:
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(0x100 + i) for i, byte in enumerate(others)}


def test_a_vocabulary_with_gaps_takes_the_nearest_value() -> None:
    """The published training knows only the bytes it has seen; the public processor drops the rest."""
    steps = np.zeros((50, 1, 1))
    steps[:, 0, 0] = np.tile([-40, -39, 0, 1, 40], 10)
    tokenizer = FASTBPEActionTokenizer(scale=1, bpe_vocab_size=90).fit(steps, as_published=True)
    wild = np.array([[[-100.0]], [[-38.0]], [[17.0]], [[22.0]], [[39.0]], [[1e6]]])
    ids = tokenizer.encode(wild)
    decoded = tokenizer.decode(ids, dtype=torch.float64)
    assert (np.abs(decoded[:, 0, 0]) <= 60).all()
    allowed = np.unique(steps)
    nearest = allowed[np.abs(allowed - wild[1:5, 0, 0][:, None]).argmin(1)]
    # Bytes that training met in other characters give more values than training had, never fewer.
    assert (np.abs(decoded[1:5, 0, 0] - wild[1:5, 0, 0]) <= np.abs(nearest - wild[1:5, 0, 0]) + 1e-9).all()
    assert decoded[0, 0, 0] == pytest.approx(-40)


def test_the_horizon_does_not_stick(public_folder: Path) -> None:
    tokenizer = FASTBPEActionTokenizer.from_pretrained(public_folder)
    rows = tokenizer(chunks(2, seed=6))
    assert tokenizer.decode(rows, time_horizon=T, action_dim=D).shape == (2, T, D)
    with pytest.raises(ValueError, match="time_horizon and action_dim, got None and None"):
        tokenizer.decode(rows)
    with pytest.raises(InvalidTokensError, match=f"{T - 1} x {D} coefficients, got the ids of {T * D}"):
        tokenizer.decode(rows, time_horizon=T - 1, action_dim=D)
    assert tokenizer.decode(rows, time_horizon=T * D, action_dim=1).shape == (2, T * D, 1)


def test_what_is_refused(fitted: FASTBPEActionTokenizer) -> None:
    bad = torch.zeros(2, T, D)
    bad[1, 2, 0] = torch.nan
    with pytest.raises(ValueError, match="finite"):
        fitted.encode(bad)
    with pytest.raises(ValueError, match=f"need {T} steps"):
        fitted.encode(torch.zeros(2, T + 1, D))
    with pytest.raises(ValueError, match="shape"):
        fitted.encode(torch.zeros(2, T, D + 1))
    with pytest.raises(ValueError, match="no vocabulary yet"):
        FASTBPEActionTokenizer(D, T).encode(torch.zeros(1, T, D))
    with pytest.raises(ValueError, match="at least 256 ids, got 200"):
        FASTBPEActionTokenizer(bpe_vocab_size=200).fit(torch.zeros(2, T, D))
    with pytest.raises(ValueError, match="too few"):
        FASTBPEActionTokenizer(bpe_vocab_size=10).fit(chunks(9, 0), as_published=True)
    with pytest.raises(InvalidTokensError):
        fitted.decode(torch.full((1, 4), fitted.pad_id))
    with pytest.raises(InvalidTokensError):
        fitted.decode(torch.rand(1, 4))


def test_saved_and_loaded(fitted: FASTBPEActionTokenizer, tmp_path: Path) -> None:
    fitted.save_pretrained(tmp_path)
    actions = chunks(20, seed=7, size=2.0)
    loaded = FASTBPEActionTokenizer.from_pretrained(tmp_path)
    for again in (loaded, create_action_tokenizer(tmp_path), pickle.loads(pickle.dumps(fitted))):
        assert np.array_equal(again.encode(actions), fitted.encode(actions))
        assert again.to_config() == fitted.to_config()
        assert np.array_equal(again.decode(fitted.encode(actions)), fitted.decode(fitted.encode(actions)))


def test_saved_files_are_those_of_the_public_processor(fitted: FASTBPEActionTokenizer, tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    fitted.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "processor_config.json").read_text())
    assert config == {
        "action_dim": D,
        "min_token": fitted.min_token,
        "processor_class": "UniversalActionProcessor",
        "scale": SCALE,
        "time_horizon": T,
        "vocab_size": 400,
    }
    bpe = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    actions = chunks(20, seed=7)
    actions[3] = 0
    integers = np.round(np.stack([cosine_transform(c) for c in actions.astype(np.float64)]) * SCALE).astype(int)
    texts = ["".join(map(chr, row.flatten() - fitted.min_token)) for row in integers]
    rows = fitted(actions)
    assert rows == [bpe(text)["input_ids"] for text in texts]
    assert [bpe.decode(row) for row in rows] == texts


def test_quantiles_bring_each_dimension_to_the_same_size(tmp_path: Path) -> None:
    units = np.array([100.0, 1.0, 0.01])
    actions = chunks(600, seed=8) * units
    actions[..., 1] = 5.0
    tokenizer = FASTBPEActionTokenizer(quantiles=(0.01, 0.99), bpe_vocab_size=400).fit(actions)
    decoded = tokenizer.decode(tokenizer.encode(actions), dtype=torch.float64)
    size = np.quantile(actions.reshape(-1, 3), 0.99, axis=0) - np.quantile(actions.reshape(-1, 3), 0.01, axis=0)
    root = np.sqrt(((decoded - actions) ** 2).sum(1).max(0))
    assert (root[[0, 2]] <= math.sqrt(T) / 2 / SCALE * size[[0, 2]] / 2 * 1.001).all()
    assert root[1] < 1e-9
    tokenizer.save_pretrained(tmp_path)
    again = FASTBPEActionTokenizer.from_pretrained(tmp_path)
    assert np.array_equal(again.decode(again.encode(actions), dtype=torch.float64), decoded)


def test_behind_an_action_space() -> None:
    arm = create_tokenizer("joint+fast", lower=[-1.0] * D, upper=[1.0] * D, vocab_size=400)
    assert isinstance(arm, TrajectoryTokenizer)
    positions = torch.from_numpy(chunks(300, seed=9))
    arm.action_tokenizer.fit(positions)
    ids = arm.encode(positions[:, :1], None, positions, None)
    assert arm.num_tokens is None
    assert arm.pad_id == arm.vocab_size - 1 == 400
    xyz, _, _ = arm.decode(positions[:, :1], None, ids)
    assert (xyz - positions).abs().max() < math.sqrt(T) / 2 / SCALE
    ids[4, 0] = arm.vocab_size
    xyz, _, _, valid = arm.decode(positions[:, :1], None, ids, strict=False)
    assert valid.tolist() == [i != 4 for i in range(300)]
    assert xyz[4].isnan().all()


def test_ids_that_training_did_not_come_to_are_refused() -> None:
    tokenizer = FASTBPEActionTokenizer(bpe_vocab_size=1000).fit(np.zeros((5, 4, 1)))
    row = tokenizer(np.zeros((4, 1)))[0]
    assert max(row) < 300
    assert tokenizer.vocab_size == 1001
    _, valid = tokenizer.decode([row, [999], [*row[:-1], 999]], strict=False)
    assert valid.tolist() == [True, False, False]
    with pytest.raises(InvalidTokensError):
        tokenizer.decode([[999]])


def test_nothing_in_nothing_out(fitted: FASTBPEActionTokenizer) -> None:
    ids = fitted.encode(torch.zeros(0, T, D))
    assert ids.shape == (0, 0)
    assert fitted.decode(ids).shape == (0, T, D)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"normalizer": {"type": "Lowercase"}}, "normalizer"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "pre_tokenizer"),
        ({"pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "Whitespace"}] * 2}}, "splits off the end"),
    ],
)
def test_other_vocabularies_are_refused(public_folder: Path, tmp_path: Path, change: dict, message: str) -> None:
    content = json.loads((public_folder / "tokenizer.json").read_text())
    (tmp_path / "tokenizer.json").write_text(json.dumps({**content, **change}))
    config = json.loads((public_folder / "processor_config.json").read_text())
    (tmp_path / "processor_config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match=message):
        FASTBPEActionTokenizer.from_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text(json.dumps({**config, "scale": "ten"}))
    with pytest.raises(ValueError, match="positive scale, got 'ten'"):
        FASTBPEActionTokenizer.from_pretrained(tmp_path)
