"""sensor_msgs/Image and CompressedImage as RGB arrays, and back.

Works on rclpy's messages and on those of rosbags. rosbags-image does the colour conversion; this module does what
that leaves out: row padding (`step`), length checks, rounding of 16-bit values, and compressed images, where a file
that is cut short must be refused and never come back half grey.
"""

from __future__ import annotations

import array
import io
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PilImage

DEFAULT_MAX_PIXELS = 64_000_000
JPEG_MAGIC = b"\xff\xd8\xff"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_END = b"IEND\xae\x42\x60\x82"

# encoding -> (name that rosbags-image knows, bytes per channel, channels). The OpenCV type names carry no colour
# order of their own; as in cv_bridge they hold blue first.
_ENCODINGS: dict[str, tuple[str, int, int]] = {
    **{name: (name, 1, 3) for name in ("rgb8", "bgr8")},
    **{name: (name, 1, 4) for name in ("rgba8", "bgra8")},
    **{name: (name, 2, 3) for name in ("rgb16", "bgr16")},
    **{name: (name, 2, 4) for name in ("rgba16", "bgra16")},
    "mono8": ("mono8", 1, 1),
    "mono16": ("mono16", 2, 1),
    "8UC1": ("mono8", 1, 1),
    "8UC3": ("bgr8", 1, 3),
    "8UC4": ("bgra8", 1, 4),
    **{name: (name, 1, 2) for name in ("uyvy", "yuv422", "yuyv", "yuv422_yuy2")},
    **{f"bayer_{order}8": (f"bayer_{order}8", 1, 1) for order in ("rggb", "bggr", "gbrg", "grbg")},
    **{f"bayer_{order}16": (f"bayer_{order}16", 2, 1) for order in ("rggb", "bggr", "gbrg", "grbg")},
}
SUPPORTED_ENCODINGS = tuple(sorted(_ENCODINGS))
# One channel without a colour filter; and Pillow's modes of the same.
_GREY_ENCODINGS = ("mono8", "mono16", "8UC1")
_GREY_MODES = ("1", "L", "LA", "I", "I;16", "I;16B")


class ImageDecodeError(ValueError):
    """An image message that holds no usable picture."""


def image_to_rgb(msg: Any, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
    """The picture of a sensor_msgs/Image or CompressedImage message as RGB.

    Grey is repeated on all three channels, alpha is dropped, 16-bit values are scaled to 8 bits. An unpadded `rgb8`
    image is not copied: the result is then a read-only view of the message's data.

    Args:
        msg: Image with an encoding of :data:`SUPPORTED_ENCODINGS`, or CompressedImage with JPEG or PNG data (told by
            the data's first bytes, since `format` is free text).
        max_pixels: width x height above which an image is refused before it is decoded.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ImageDecodeError: unknown encoding, sizes that do not fit each other, an empty image, more than `max_pixels`,
            or JPEG or PNG data that is damaged or cut short.
    """
    if hasattr(msg, "format"):
        return _decode_compressed(_data_of(msg), str(msg.format), max_pixels)
    return _decode_raw(msg, max_pixels)


def grey_encoding(msg: Any) -> str:
    """The encoding of an image message that :func:`image_to_rgb` takes and that has no colour; else an empty text.

    A grey picture that is stored in three channels counts as one with colour.
    """
    if not hasattr(msg, "format"):
        return str(msg.encoding) if msg.encoding in _GREY_ENCODINGS else ""
    with PilImage.open(io.BytesIO(_data_of(msg)), formats=("JPEG", "PNG")) as image:  # reads no more than the header
        return f"grey {image.format}" if image.mode in _GREY_MODES else ""


def rgb_to_image_fields(pixels: NDArray[np.uint8]) -> dict[str, Any]:
    """The fields of a sensor_msgs/Image, all but the header, for pixels uint8 [H, W, 3] (rgb8) or [H, W] (mono8).

    `data` is a flat uint8 array, as rosbags' messages have it; for rclpy's give it through :func:`to_byte_array`.

    Raises:
        ImageDecodeError: another shape or dtype.
    """
    if pixels.dtype != np.uint8 or 0 in pixels.shape or not (pixels.ndim == 2 or pixels.shape[2:] == (3,)):
        raise ImageDecodeError(
            f"an image needs uint8 [H, W, 3] or [H, W] without empty axes, got {pixels.dtype} {list(pixels.shape)}"
        )
    height, width = pixels.shape[:2]
    channels = pixels.size // (height * width)
    return {
        "height": height,
        "width": width,
        "encoding": "rgb8" if pixels.ndim == 3 else "mono8",
        "is_bigendian": 0,
        "step": width * channels,
        "data": np.ascontiguousarray(pixels).reshape(-1),
    }


def to_byte_array(data: NDArray[np.uint8]) -> array.array[int]:
    """Bytes as the array.array that rclpy's uint8[] fields take without a slow check of each element."""
    result = array.array("B")
    result.frombytes(np.ascontiguousarray(data).data)
    return result


def _data_of(msg: Any) -> memoryview:
    """The bytes of `msg.data`, not copied."""
    try:
        return memoryview(msg.data).cast("B")
    except TypeError as error:
        raise ImageDecodeError(
            f"image data must be contiguous bytes, array.array or a NumPy array, got {type(msg.data).__name__}"
        ) from error


def _check_size(width: int, height: int, max_pixels: int) -> None:
    if width <= 0 or height <= 0:
        raise ImageDecodeError(f"an image needs a width and a height of at least 1, got {width}x{height}")
    if width * height > max_pixels:
        raise ImageDecodeError(f"image of {width}x{height} = {width * height} pixels, at most {max_pixels} are allowed")


@dataclass(frozen=True)
class _UnpaddedImage:
    """What rosbags-image needs of a sensor_msgs/Image, in the byte order of this machine, without padding."""

    width: int
    height: int
    encoding: str
    is_bigendian: bool
    data: NDArray[Any]


def _decode_raw(msg: Any, max_pixels: int) -> NDArray[np.uint8]:
    encoding, width, height, step = str(msg.encoding), int(msg.width), int(msg.height), int(msg.step)
    if encoding not in _ENCODINGS:
        raise ImageDecodeError(f"unknown encoding {encoding!r}, needed one of {', '.join(SUPPORTED_ENCODINGS)}")
    _check_size(width, height, max_pixels)
    known_name, channel_bytes, channels = _ENCODINGS[encoding]
    if channels == 2 and width % 2:
        raise ImageDecodeError(f"{encoding} shares colour between two pixels and needs an even width, got {width}")
    if encoding.startswith("bayer") and min(width, height) < 2:
        raise ImageDecodeError(f"{encoding} needs at least 2x2 pixels, got {width}x{height}")
    row_bytes = width * channels * channel_bytes
    if step < row_bytes:
        raise ImageDecodeError(f"step of {step} bytes, a row of {width} {encoding} pixels needs at least {row_bytes}")
    data = _data_of(msg)
    if len(data) != step * height:
        raise ImageDecodeError(
            f"{len(data)} bytes of data, step {step} x height {height} needs {step * height} ({encoding}, {width} wide)"
        )

    pixels = np.frombuffer(data, dtype=np.uint8).reshape(height, step)
    if step > row_bytes:
        pixels = np.ascontiguousarray(pixels[:, :row_bytes])
    if known_name == "rgb8":
        rgb = pixels.reshape(height, width, 3)
        rgb.flags.writeable = False
        return rgb
    wide = pixels.view(">u2" if msg.is_bigendian else "<u2").astype(np.uint16) if channel_bytes == 2 else pixels
    return _to_rgb(wide, known_name, width, height)


def _to_rgb(pixels: NDArray[Any], encoding: str, width: int, height: int) -> NDArray[np.uint8]:
    # Imported here: this is the one place that needs OpenCV, and rgb8 and compressed images do without.
    from rosbags.image import image_to_cvimage

    is_wide = pixels.dtype == np.uint16
    image: Any = _UnpaddedImage(width, height, encoding, sys.byteorder == "big", pixels)
    rgb = np.asarray(image_to_cvimage(image, "rgb16" if is_wide else "rgb8"))
    if is_wide:  # 65535 / 255 = 257; rounded, where rosbags-image would cut off
        return ((rgb.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return rgb.astype(np.uint8, copy=False)


def _decode_compressed(data: memoryview, format_text: str, max_pixels: int) -> NDArray[np.uint8]:
    kind = _compressed_kind(data, format_text)
    try:
        with PilImage.open(io.BytesIO(data), formats=(kind,)) as image:
            _check_size(image.width, image.height, max_pixels)
            image.load()
            if image.mode.startswith("I"):  # 16-bit grey; convert() would clip at 255
                grey = ((np.asarray(image).astype(np.uint32) + 128) // 257).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))
    except ImageDecodeError:
        raise
    # Pillow reports damage by these, PNG errors being SyntaxError
    except (OSError, SyntaxError, ValueError, EOFError, PilImage.DecompressionBombError) as error:
        raise ImageDecodeError(
            f"damaged {kind} of {len(data)} bytes (format {format_text!r}), needed a whole file: {error}"
        ) from error


def _compressed_kind(data: memoryview, format_text: str) -> str:
    """JPEG or PNG by the first bytes; the end is looked for too, as decoders fill a missing rest."""
    whole = bytes(data)
    if whole.startswith(JPEG_MAGIC):
        return "JPEG"  # Pillow refuses one without its last byte
    if whole.startswith(PNG_MAGIC):
        if _PNG_END not in whole:
            raise ImageDecodeError(
                f"truncated PNG of {len(whole)} bytes (format {format_text!r}), needed its closing IEND chunk"
            )
        return "PNG"
    raise ImageDecodeError(
        f"compressed image of format {format_text!r} with {len(whole)} bytes that start {whole[:8].hex(' ')!r}, "
        "needed JPEG or PNG data"
    )
