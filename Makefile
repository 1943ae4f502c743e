# `make demo` and `make test` do all the set-up they need.
PYTHON ?= python3
BIN := .venv/bin
CLIP := $(if $(VIDEO),--video "$(VIDEO)") $(if $(BOX),--bbox "$(BOX)")

KITS := .venv-kits
LIGHT := tools/deployment/light
# one process of the tests per core that may be used
WORKERS ?= $(shell env -u OMP_NUM_THREADS nproc)

.PHONY: help install demo test test-kits test-stress test-corpus test-export \
	light app docs lint wheel clean

help:
	@echo "make demo                       the quick start: the shipped tracker"
	@echo "                                tracks a clip, a small one is trained"
	@echo "make demo VIDEO=... BOX=x,y,w,h the same, on your clip"
	@echo "make test                       the tests, on all cores (WORKERS=1: one)"
	@echo "make test-stress                live video for ten minutes, many kills"
	@echo "make test-corpus                malformed inputs of all kinds"
	@echo "make test-kits                  ours inside the kits of GOT-10k and VOT"
	@echo "make docs                       the documentation as a site in site/"
	@echo "make test-export                the zoo in full size as ONNX; a tracker"
	@echo "                                without torch in an environment of its own"
	@echo "make test-export MODEL=sim_b16  only networks of such a name"
	@echo "make light                      the wheel of mmsimtrack-light, in dist/"
	@echo "make app                        runtime and networks of the browser page"
	@echo "make lint                       style checks"
	@echo "make install                    the environment in .venv"

install: .venv/.installed

# opencv-python (of mmcv) and opencv-python-headless (of mmdet) write the same
# folder; the headless one needs no libGL, so it goes last.
.venv/.installed: setup.py mmsimtrack/version.py $(wildcard requirements/*.txt)
	$(PYTHON) -c "import sys; v = sys.version_info; sys.exit(v < (3, 10) and 'mmsimtrack needs Python >= 3.10, this is %d.%d; choose one with PYTHON=...' % v[:2])"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e .[dev]
	$(BIN)/python -m pip install --force-reinstall --no-deps \
		opencv-python-headless==$$($(BIN)/python -c "from importlib.metadata import version; print(version('opencv-python-headless'))")
	touch $@

demo: install
	$(BIN)/python tools/demo.py $(CLIP)

test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -m openvino tests/test_deployment

test-stress: install
	MMSIMTRACK_STRESS=20 $(BIN)/python -m pytest -q tests/test_cli tests/test_apis
	MMSIMTRACK_STRESS=50 $(BIN)/python -m pytest -q tests/stress

test-corpus: install
	MMSIMTRACK_CORPUS=all $(BIN)/python -m pytest -q tests/corpus

# The kits that judge trackers, 620 MB. The toolkit of VOT is under the GPL and
# stays in an environment of its own; beside it lies what our environment sees
# in this test. Toolkits from 0.8.0 to 0.9.0 and attributee 0.1.10 fail.
$(KITS)/.installed:
	$(PYTHON) -m venv $(KITS)
	$(KITS)/bin/python -m pip install -q vot-toolkit==0.7.4 attributee==0.1.9
	$(BIN)/python -m pip install -q --no-deps --target $(KITS)/beside \
		got10k==0.1.3 fire shapely six wget vot-trax==4.0.2
	touch $@

test-kits: install $(KITS)/.installed
	MMSIMTRACK_KITS=$(KITS) $(BIN)/python -m pytest -q -s tests/test_adapters/test_kits.py

docs: install
	$(BIN)/python -m pip install -q -r requirements/docs.txt
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

# Takes about an hour on two cores, 6 GB of memory and a download of 100 MB.
# Networks in work_dirs/exports.txt have passed, and are left out.
test-export: install
	mkdir -p work_dirs
	MMSIMTRACK_EXPORT=work_dirs/exports.txt $(BIN)/python -m pytest -q \
		$(if $(MODEL),-k "full_size and $(MODEL)") tests/test_deployment tests/test_runtime
	$(if $(MODEL),,MMSIMTRACK_EXPORT=work_dirs/exports.txt $(BIN)/python -m pytest -q \
		-m openvino tests/test_deployment)

light: install
	rm -rf $(LIGHT)/mmsimtrack_light/model $(LIGHT)/build
	$(BIN)/mmsimtrack export sim_s16-6l_real --out $(LIGHT)/mmsimtrack_light/model
	$(BIN)/python -m pip wheel -q --no-deps -w dist $(LIGHT)

# After sim_t16_real or the lock file has changed.
app: install
	npm ci --ignore-scripts --no-audit --no-fund --prefix tools/deployment/app
	$(BIN)/python tools/deployment/app/build.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/interrogate -q mmsimtrack tools

clean:
	rm -rf .venv .venv-kits tools/deployment/app/node_modules build dist site *.egg-info
