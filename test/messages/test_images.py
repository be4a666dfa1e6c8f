"""Image messages to RGB arrays: every encoding against a plain expectation, and every kind of bad input."""

from __future__ import annotations

import array
import io
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as PilImage

from reasoning_vla_ros.messages.images import (
    SUPPORTED_ENCODINGS,
    ImageDecodeError,
    image_to_rgb,
    rgb_to_image_fields,
    to_byte_array,
)

RED, GREEN, BLUE = 200, 90, 30


def raw_image(pixels: NDArray[Any], encoding: str, *, padding: int = 0, big_endian: bool = False) -> Any:
    """An Image message of `pixels` [H, W, ...] with `padding` junk bytes after each row."""
    height, width = pixels.shape[:2]
    if pixels.dtype == np.uint16:
        pixels = pixels.astype(">u2" if big_endian else "<u2")
    rows = np.frombuffer(pixels.tobytes(), np.uint8).reshape(height, -1)
    padded = np.concatenate([rows, np.full((height, padding), 0xAB, np.uint8)], axis=1)
    fields = {
        "height": height,
        "width": width,
        "encoding": encoding,
        "is_bigendian": int(big_endian),
        "step": padded.shape[1],
        "data": padded.reshape(-1),
    }
    return SimpleNamespace(**fields)


def random_rgb(height: int = 6, width: int = 8, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def with_alpha(rgb: NDArray[Any]) -> NDArray[Any]:
    alpha = np.random.default_rng(9).integers(0, 256, rgb.shape[:2], dtype=np.uint8).astype(rgb.dtype)
    return np.concatenate([rgb, alpha[..., None]], axis=2)


def wide(pixels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    """16-bit values that round back to these 8-bit ones, though not multiples of 257."""
    return (pixels.astype(np.uint16) * 257 + np.where(pixels < 255, 100, 0)).astype(np.uint16)


def yuv422(luma_first: bool) -> NDArray[np.uint8]:
    """A 4x6 picture of one colour, by the full-range BT.601 formulas with video-range scaling."""
    luma = round(16 + (65.738 * RED + 129.057 * GREEN + 25.064 * BLUE) / 256)
    cb = round(128 + (-37.945 * RED - 74.494 * GREEN + 112.439 * BLUE) / 256)
    cr = round(128 + (112.439 * RED - 94.154 * GREEN - 18.285 * BLUE) / 256)
    pair = [luma, cb, luma, cr] if luma_first else [cb, luma, cr, luma]
    return np.tile(np.array(pair, np.uint8), (4, 3)).reshape(4, 6, 2)


def bayer(order: str, dtype: type) -> NDArray[Any]:
    """A 6x8 mosaic of one colour; `order` names the colours of the top left 2x2 pixels."""
    value = {"r": RED, "g": GREEN, "b": BLUE}
    tile = np.array([value[letter] for letter in order], np.uint8).reshape(2, 2)
    mosaic = np.tile(tile, (3, 4))
    return wide(mosaic) if dtype is np.uint16 else mosaic


RGB = random_rgb()
GREY = RGB[..., 0]
GREY_RGB = np.repeat(GREY[..., None], 3, axis=2)
EXACT = {
    "rgb8": (RGB, RGB),
    "bgr8": (RGB[..., ::-1], RGB),
    "rgba8": (with_alpha(RGB), RGB),
    "bgra8": (with_alpha(RGB[..., ::-1]), RGB),
    "rgb16": (wide(RGB), RGB),
    "bgr16": (wide(RGB[..., ::-1]), RGB),
    "rgba16": (with_alpha(wide(RGB)), RGB),
    "bgra16": (with_alpha(wide(RGB[..., ::-1])), RGB),
    "mono8": (GREY, GREY_RGB),
    "mono16": (wide(GREY), GREY_RGB),
    "8UC1": (GREY, GREY_RGB),
    "8UC3": (RGB[..., ::-1], RGB),
    "8UC4": (with_alpha(RGB[..., ::-1]), RGB),
}
ONE_COLOR = {
    "uyvy": yuv422(luma_first=False),
    "yuv422": yuv422(luma_first=False),
    "yuyv": yuv422(luma_first=True),
    "yuv422_yuy2": yuv422(luma_first=True),
    **{f"bayer_{order}8": bayer(order, np.uint8) for order in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{order}16": bayer(order, np.uint16) for order in ("rggb", "bggr", "gbrg", "grbg")},
}


def test_every_supported_encoding_is_tested() -> None:
    assert {*EXACT, *ONE_COLOR} == set(SUPPORTED_ENCODINGS)


@pytest.mark.parametrize("big_endian", [False, True])
@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", EXACT)
def test_pixels_come_back_exactly(encoding: str, padding: int, big_endian: bool) -> None:
    pixels, expected = EXACT[encoding]
    rgb = image_to_rgb(raw_image(pixels, encoding, padding=padding, big_endian=big_endian))
    assert rgb.dtype == np.uint8
    np.testing.assert_array_equal(rgb, expected)


@pytest.mark.parametrize("padding", [0, 6])
@pytest.mark.parametrize("encoding", ONE_COLOR)
def test_mosaics_and_shared_colour_give_the_colour(encoding: str, padding: int) -> None:
    rgb = image_to_rgb(raw_image(ONE_COLOR[encoding], encoding, padding=padding))
    assert rgb.shape == (*ONE_COLOR[encoding].shape[:2], 3)
    np.testing.assert_allclose(rgb.astype(int), np.broadcast_to([RED, GREEN, BLUE], rgb.shape), atol=2)


@pytest.mark.parametrize(
    ("value", "expected"), [(0, 0), (128, 0), (129, 1), (257, 1), (65535, 255), (65407, 255), (65406, 254)]
)
def test_sixteen_bits_are_rounded_to_eight(value: int, expected: int) -> None:
    rgb = image_to_rgb(raw_image(np.full((2, 2), value, np.uint16), "mono16"))
    assert np.unique(rgb).tolist() == [expected]


@settings(deadline=None, max_examples=60)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 40),
    encoding=st.sampled_from(["rgb8", "bgr8", "rgba8", "mono8"]),
    seed=st.integers(0, 99),
)
def test_padding_never_leaks_into_the_picture(height: int, width: int, padding: int, encoding: str, seed: int) -> None:
    rgb = random_rgb(height, width, seed)
    if encoding == "mono8":
        rgb[...] = rgb[..., :1]
    pixels = {"rgb8": rgb, "bgr8": rgb[..., ::-1], "rgba8": with_alpha(rgb), "mono8": rgb[..., 0]}[encoding]
    np.testing.assert_array_equal(image_to_rgb(raw_image(pixels, encoding, padding=padding)), rgb)


@pytest.mark.parametrize("container", [bytes, bytearray, lambda raw: array.array("B", raw), memoryview])
def test_data_may_be_any_buffer(container: Any) -> None:
    msg = raw_image(RGB[..., ::-1], "bgr8")
    msg.data = container(msg.data.tobytes())
    np.testing.assert_array_equal(image_to_rgb(msg), RGB)


def test_unpadded_rgb8_is_a_read_only_view() -> None:
    msg = raw_image(RGB, "rgb8")
    rgb = image_to_rgb(msg)
    assert np.shares_memory(rgb, msg.data)
    assert not rgb.flags.writeable


def test_padded_rgb8_is_contiguous() -> None:
    rgb = image_to_rgb(raw_image(RGB, "rgb8", padding=5))
    assert rgb.flags.c_contiguous


@pytest.mark.parametrize(
    ("changes", "needed"),
    [
        ({"encoding": "32FC1"}, "unknown encoding '32FC1', needed one of 8UC1, .*rgb8"),
        ({"encoding": "16UC1"}, "unknown encoding '16UC1'"),
        ({"encoding": ""}, "unknown encoding ''"),
        ({"step": 23}, "step of 23 bytes, a row of 8 rgb8 pixels needs at least 24"),
        ({"step": 25}, "144 bytes of data, step 25 x height 6 needs 150"),
        ({"height": 5}, "144 bytes of data, step 24 x height 5 needs 120"),
        ({"height": 0}, "at least 1, got 8x0"),
        ({"width": 0}, "at least 1, got 0x6"),
        ({"data": np.zeros(0, np.uint8)}, "0 bytes of data, step 24 x height 6 needs 144"),
        ({"data": [0] * 144}, "contiguous bytes, array.array or a NumPy array, got list"),
        ({"encoding": "yuyv", "width": 7}, "even width, got 7"),
        ({"encoding": "bayer_rggb8", "width": 1}, "at least 2x2 pixels, got 1x6"),
    ],
)
def test_bad_raw_images_are_refused(changes: dict[str, Any], needed: str) -> None:
    msg = raw_image(RGB, "rgb8")
    vars(msg).update(changes)
    with pytest.raises(ImageDecodeError, match=needed):
        image_to_rgb(msg)


def test_huge_raw_images_are_refused_by_size() -> None:
    with pytest.raises(ImageDecodeError, match="8x6 = 48 pixels, at most 47 are allowed"):
        image_to_rgb(raw_image(RGB, "rgb8"), max_pixels=47)
    assert image_to_rgb(raw_image(RGB, "rgb8"), max_pixels=48).shape == (6, 8, 3)


def encode(pixels: NDArray[Any], kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    PilImage.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()


def compressed(data: bytes, format_text: str = "jpeg") -> Any:
    return SimpleNamespace(format=format_text, data=np.frombuffer(data, np.uint8))


def smooth_rgb() -> NDArray[np.uint8]:
    across, down = np.meshgrid(np.linspace(20, 220, 48), np.linspace(30, 200, 32))
    return np.stack([across, down, 255 - across], axis=2).astype(np.uint8)


@pytest.mark.parametrize("progressive", [False, True])
def test_colour_jpeg(progressive: bool) -> None:
    data = encode(smooth_rgb(), "JPEG", quality=95, progressive=progressive)
    rgb = image_to_rgb(compressed(data, "rgb8; jpeg compressed bgr8"))
    np.testing.assert_allclose(rgb.astype(int), smooth_rgb().astype(int), atol=10)


def test_grey_jpeg() -> None:
    grey = smooth_rgb()[..., 0]
    rgb = image_to_rgb(compressed(encode(grey, "JPEG", quality=95)))
    np.testing.assert_allclose(rgb.astype(int), np.repeat(grey[..., None], 3, axis=2).astype(int), atol=4)


@pytest.mark.parametrize(
    ("pixels", "expected"),
    [
        (RGB, RGB),
        (with_alpha(RGB), RGB),
        (GREY, GREY_RGB),
        (np.stack([GREY, 255 - GREY], axis=2), GREY_RGB),
        (wide(GREY), GREY_RGB),
    ],
    ids=["rgb", "rgba", "grey", "grey+alpha", "grey16"],
)
def test_png(pixels: NDArray[Any], expected: NDArray[np.uint8]) -> None:
    np.testing.assert_array_equal(image_to_rgb(compressed(encode(pixels, "PNG"), "png")), expected)


def test_palette_png() -> None:
    buffer = io.BytesIO()
    flat = np.where(RGB > 127, 255, 0).astype(np.uint8)
    PilImage.fromarray(flat).quantize(8).save(buffer, "PNG")
    np.testing.assert_array_equal(image_to_rgb(compressed(buffer.getvalue(), "png")), flat)


@pytest.mark.parametrize(("kind", "options"), [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {})])
def test_every_truncation_is_refused(kind: str, options: dict[str, Any]) -> None:
    data = encode(smooth_rgb(), kind, **options)
    for length in [*range(0, len(data), 7), *range(len(data) - 40, len(data))]:
        with pytest.raises(ImageDecodeError):
            image_to_rgb(compressed(data[:length]))


def test_a_damaged_png_is_refused() -> None:
    data = bytearray(encode(smooth_rgb(), "PNG"))
    data[len(data) // 2] ^= 0xFF
    with pytest.raises(ImageDecodeError, match="damaged PNG"):
        image_to_rgb(compressed(bytes(data)))


@pytest.mark.parametrize(
    ("data", "needed"),
    [
        (b"", "0 bytes that start '', needed JPEG or PNG data"),
        (b"GIF89a" + bytes(40), "format 'jpeg' with 46 bytes that start '47 49 46 38 39 61 00 00'"),
    ],
)
def test_other_compressed_data_is_refused(data: bytes, needed: str) -> None:
    with pytest.raises(ImageDecodeError, match=needed):
        image_to_rgb(compressed(data))


def test_huge_compressed_images_are_refused_before_they_are_decoded() -> None:
    data = encode(np.zeros((4000, 4000), np.uint8), "PNG")
    with pytest.raises(ImageDecodeError, match="4000x4000 = 16000000 pixels, at most 1000000 are allowed"):
        image_to_rgb(compressed(data[: len(data) // 2] + data[-12:]), max_pixels=1_000_000)


@pytest.mark.parametrize(("pixels", "encoding"), [(RGB, "rgb8"), (GREY, "mono8"), (RGB[:, ::2], "rgb8")])
def test_fields_for_writing_read_back(pixels: NDArray[np.uint8], encoding: str) -> None:
    fields = rgb_to_image_fields(pixels)
    assert fields["encoding"] == encoding
    rgb = image_to_rgb(SimpleNamespace(**{**fields, "data": to_byte_array(fields["data"])}))
    np.testing.assert_array_equal(rgb, pixels if pixels.ndim == 3 else GREY_RGB)


@pytest.mark.parametrize("pixels", [RGB.astype(np.float32), RGB[..., :2], RGB[:0], RGB[None]])
def test_fields_need_rgb_or_grey_pixels(pixels: NDArray[Any]) -> None:
    with pytest.raises(ImageDecodeError, match="an image needs uint8"):
        rgb_to_image_fields(pixels)
