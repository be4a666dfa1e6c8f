"""Why no observation can be built: each error carries a short code for diagnostics and a message with both values."""


class ObservationError(ValueError):
    """Inputs do not suffice for an observation. `code` names the cause in diagnostics."""

    code = "observation"


class NoDataError(ObservationError):
    """A camera or the odometry has not delivered anything yet."""

    code = "no_data"


class HistorySpanError(ObservationError):
    """The odometry does not cover the ego history that is needed."""

    code = "history_span"


class HistoryGapError(ObservationError):
    """The odometry has a gap inside the ego history."""

    code = "history_gap"


class StaleFrameError(ObservationError):
    """No camera frame lies close enough to an instant that needs one."""

    code = "stale_frame"


class CameraSkewError(ObservationError):
    """The cameras' newest frames lie too far apart."""

    code = "camera_skew"


class TimeJumpError(ObservationError):
    """A stamp lies before its predecessor, as when a bag starts over; the buffers were emptied."""

    code = "time_jump"
