"""From an observation to the prompt's text."""

from __future__ import annotations

from collections.abc import Sequence

from reasoning_vla_ros.models.vocabulary import SPECIAL_TOKENS, TRAJ_TOKENS
from reasoning_vla_ros.planning.observation import Observation

# The wording that the public Alpamayo checkpoints were trained with; a changed character changes what they see.
DRIVING_SYSTEM = "You are a driving assistant that generates safe and accurate actions."
DRIVING_REQUEST = "output the chain-of-thought reasoning of the driving process, then output the future trajectory."
# Names of the cameras that the public models were trained with, as their prompts have them.
CAMERA_TITLES = {
    0: "Front left camera",
    1: "Front camera",
    2: "Front right camera",
    3: "Rear left camera",
    4: "Rear camera",
    5: "Rear right camera",
    6: "Front telephoto camera",
}
ROBOT_SYSTEM = "You control a {embodiment} robot and generate safe and accurate actions."
ROBOT_REQUEST = "output the chain-of-thought reasoning of the task, then output the future trajectory."


def build_prompt(
    observation: Observation,
    image_texts: Sequence[str],
    num_history_tokens: int,
    special_token_ids: dict[str, int | None],
) -> str:
    """The chat prompt, up to where the model's reasoning begins.

    Cars get Alpamayo's layout. Other robots get a general one that names the cameras and states the task in words.

    Args:
        observation: what the robot sees.
        image_texts: the text that stands for each image, camera by camera, in each oldest first.
        num_history_tokens: placeholders of the ego history.
        special_token_ids: of the model; tokens that it lacks (None) are left out.
    """
    placeholders = TRAJ_TOKENS["history"] * num_history_tokens
    history = f"{TRAJ_TOKENS['history_start']}{placeholders}{TRAJ_TOKENS['history_end']}"
    reasoning = SPECIAL_TOKENS["cot_start"] if special_token_ids.get("cot_start") is not None else ""
    if observation.embodiment == "car":
        route = _route(observation.instruction, special_token_ids)
        return _chat(DRIVING_SYSTEM, f"{''.join(image_texts)}{history}{route}{DRIVING_REQUEST}", reasoning)
    per_camera = iter(image_texts)
    cameras = "".join(
        f"{camera.name} camera: {''.join(next(per_camera) for _ in camera.stamps_ns)}\n"
        for camera in observation.cameras
    )
    task = f"Task: {observation.instruction}\n" if observation.instruction else ""
    system = ROBOT_SYSTEM.format(embodiment=observation.embodiment)
    return _chat(system, f"{cameras}{history}\n{task}{ROBOT_REQUEST}", reasoning)


def build_question(image_texts: Sequence[str], question: str) -> str:
    """The chat prompt of a question about the images, up to where the answer begins, as Alpamayo 1.5 has it."""
    asked = f"{SPECIAL_TOKENS['question_start']}{question}{SPECIAL_TOKENS['question_end']}"
    return _chat(DRIVING_SYSTEM, f"{''.join(image_texts)}{asked}", SPECIAL_TOKENS["answer_start"])


def label_images(observation: Observation, image_texts: Sequence[str]) -> list[str]:
    """Each image's text behind its frame's number, each camera's first one behind the camera's name too."""
    labelled = []
    remaining = iter(image_texts)
    for camera in observation.cameras:
        title = CAMERA_TITLES.get(camera.camera_id, f"Camera {camera.camera_id}")
        for frame in range(len(camera.images)):
            name = f"{title}: " if frame == 0 else ""
            labelled.append(f"{name}frame {frame} {next(remaining)}")
    return labelled


def _route(text: str, special_token_ids: dict[str, int | None]) -> str:
    """Navigation text as Alpamayo 1.5 has it; in plain words for models without route tokens."""
    if not text:
        return ""
    if special_token_ids.get("route_start") is None:
        return f"Navigation: {text}. "
    return f"{SPECIAL_TOKENS['route_start']}{text}{SPECIAL_TOKENS['route_end']}"


def _chat(system: str, user: str, assistant: str) -> str:
    return (
        f"<|im_start|>system\n{system}<|im_end|>\n"
        f"<|im_start|>user\n{user}<|im_end|>\n"
        f"<|im_start|>assistant\n{assistant}"
    )
