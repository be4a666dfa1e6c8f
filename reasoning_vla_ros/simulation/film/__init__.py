"""Pictures and films of a drive: the camera with the plan on the road, the scene from above, and the words.

moments = moments_of_bag("output/demo/drive.mcap", "my model")            # what `reasoning-vla demo` recorded
moments = moments_of_steps(result.steps, "my model", "highway")           # or drive_by_plans(keep_steps=True)
make_film(moments, video=Path("drive.mp4"), gif=Path("drive.gif"), picture=Path("drive.png"))
"""

from reasoning_vla_ros.simulation.film.files import FilmError, write_gif, write_png, write_video
from reasoning_vla_ros.simulation.film.film import Film, make_film
from reasoning_vla_ros.simulation.film.from_bag import moments_of_bag, read_log
from reasoning_vla_ros.simulation.film.from_steps import moments_of_steps
from reasoning_vla_ros.simulation.film.moment import Moment, PlannedWay
from reasoning_vla_ros.simulation.film.page import PAGE_SIZE, draw_page

__all__ = [
    "PAGE_SIZE",
    "Film",
    "FilmError",
    "Moment",
    "PlannedWay",
    "draw_page",
    "make_film",
    "moments_of_bag",
    "moments_of_steps",
    "read_log",
    "write_gif",
    "write_png",
    "write_video",
]
