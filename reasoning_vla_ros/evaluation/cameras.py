"""Which image topics of a bag are which camera."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from reasoning_vla_ros.bags.reader import TopicInfo
from reasoning_vla_ros.planning.camera_rig import CameraRig

IMAGE_TYPES = ("sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage")
# Camera ids as Alpamayo numbers them; a lone front camera stands in for the wide one.
DEFAULT_CAMERA_IDS: dict[str, int] = {"cross_left": 0, "front_wide": 1, "front": 1, "cross_right": 2, "front_tele": 6}
# Cameras of other names come after all of these: the camera with the lowest id sets t0, which a known one should.
FIRST_FREE_ID = 10
# Parts of a topic that say how an image is encoded or where topics live, not which camera it is.
_COMMON_PARTS = re.compile(
    r"(camera|cameras|sensor|sensors|sensing|input|image|img|compressed|rgb|color|colour|mono|rect|raw|image_(raw|rect|color|"
    r"mono|rect_color)(_\w+)?)"
)
# Pictures that are no camera images: found automatically they would be taken for one.
_NO_CAMERA = re.compile(r"depth|disparity|segmentation|mask|debug|output|overlay")


@dataclass(frozen=True)
class CameraTopic:
    """An image topic, with the number that orders its camera in the prompt and the camera's name."""

    camera_id: int
    name: str
    topic: str


def parse_camera(text: str) -> CameraTopic:
    """A camera from `name:id=topic`, as in `front_wide:1=/camera/front/image`, or `name=topic` for a known name.

    Raises:
        ValueError: another form, or a name without an id that is none of DEFAULT_CAMERA_IDS.
    """
    match = re.fullmatch(r"(?P<name>[\w-]+)(:(?P<id>\d+))?=(?P<topic>/?[\w/~]+)", text)
    if match is None:
        raise ValueError(f"a camera is given as name:id=topic, as in front_wide:1=/camera/front/image, got {text!r}")
    name, number = match["name"], match["id"]
    if number is None and name not in DEFAULT_CAMERA_IDS:
        raise ValueError(
            f"camera {name!r} needs an id (name:id=topic); only {', '.join(DEFAULT_CAMERA_IDS)} have one by default"
        )
    return CameraTopic(DEFAULT_CAMERA_IDS[name] if number is None else int(number), name, match["topic"])


def rig_cameras(rig: CameraRig) -> tuple[CameraTopic, ...]:
    """The cameras of a rig that are used, ids ascending."""
    return tuple(CameraTopic(camera.camera_id, camera.name, camera.topic) for camera in rig.used)


def as_recorded(camera: CameraTopic, topics: Mapping[str, TopicInfo]) -> CameraTopic:
    """The camera with the compressed topic beside its own, where a bag has that one alone."""
    compressed = f"{camera.topic}/compressed"
    return replace(camera, topic=compressed) if camera.topic not in topics and compressed in topics else camera


def find_cameras(topics: Mapping[str, TopicInfo]) -> tuple[CameraTopic, ...]:
    """Every camera of a bag, ids ascending.

    Names come from the topics. Names of DEFAULT_CAMERA_IDS have their own id, the others count on from FIRST_FREE_ID in
    order of their topics, and so does "front" beside "front_wide". Of a camera that is there both raw and compressed,
    the raw one is taken; topics of depth images, masks and the like are passed over.
    """
    by_name: dict[str, str] = {}
    found = sorted(
        (info.msg_type != IMAGE_TYPES[0], topic)
        for topic, info in topics.items()
        if info.msg_type in IMAGE_TYPES and info.count and not _NO_CAMERA.search(topic)
    )
    same_camera = set()
    for _, topic in found:
        base = topic.removesuffix("/compressed")
        if base in same_camera:
            continue
        same_camera.add(base)
        name = camera_name(topic)
        by_name[name if name not in by_name else topic.strip("/").replace("/", "_")] = topic
    taken: dict[int, str] = {}
    others = sorted(by_name.keys() - DEFAULT_CAMERA_IDS.keys(), key=lambda name: by_name[name])
    for name in [name for name in DEFAULT_CAMERA_IDS if name in by_name] + others:
        wanted = DEFAULT_CAMERA_IDS.get(name)
        free = max([FIRST_FREE_ID - 1, *taken]) + 1
        taken[free if wanted is None or wanted in taken else wanted] = name
    return tuple(CameraTopic(number, taken[number], by_name[taken[number]]) for number in sorted(taken))


def camera_name(topic: str) -> str:
    """The telling part of an image topic: "front" of /camera/front/image; "camera" where there is none."""
    parts = [part for part in topic.split("/") if part and not _COMMON_PARTS.fullmatch(part)]
    return parts[-1] if parts else "camera"


def info_topic_of(image_topic: str) -> str:
    """The CameraInfo topic beside an image topic, by the convention of image_transport."""
    folder = image_topic.removesuffix("/compressed").rpartition("/")[0]
    return f"{folder}/camera_info"
