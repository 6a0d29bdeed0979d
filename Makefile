# make demo     set up .venv and run the essay's study on the lunar lander, with its report
# make test     set up .venv and run the whole test suite
# make venv     set up .venv, with .venv/bin/reward-hypotheses
# make lint     ruff: style, imports, docstrings, formatting of what is tracked
# make types    mypy on the package
# make docs     run the pages of docs/, the notebook and README, drawing their figures and rewriting their outputs
# make agreement exact results against sampled ones, study by study
# make calibration how often intervals hold the truth, kind by kind
# make coverage  how often intervals of the risk hold the true risk, study by study; goes on where it was stopped
# make bench    timings side by side with what a user would use instead
# make flown    agents trained, their catastrophes predicted, then flown: the study and pictures that README shows
# make walked   the same in MiniGrid rooms
# make swept    the same on POPGym's MineSweeper boards
# make pins     resolve the pinned versions again (needs uv)
# make clean    remove .venv and everything that was built

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

# The first Python >= 3.12 that answers (an empty file that may be executed ends with 0 too): on PATH by name, then
# pyenv's versions, newest first. PYTHON=... overrides.
FIND_PYTHON = for python in $(PYTHON) python3.13 python3.12 python3.14 python3 python \
    $$(ls -d "$$( (pyenv root) 2>/dev/null || echo "$$HOME/.pyenv")"/versions/3.*/bin/python 2>/dev/null | sort -rV); do \
    if [ "$$("$$python" -c 'import sys, venv, ensurepip; print((3, 12) <= sys.version_info < (3, 15))' 2>/dev/null)" = True ]; \
    then echo "$$python"; exit 0; fi; done; exit 1

.PHONY: demo test venv lint types docs agreement calibration coverage bench flown walked swept pins clean

demo: venv
	@$(BIN)/reward-hypotheses demo --out demo-report

test: venv  # a worker a core: each with one thread of linear algebra
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses=auto --dist=loadfile --no-loadscope-reorder

venv: $(STAMP)

$(STAMP): pyproject.toml pins.txt
	@python=$$($(FIND_PYTHON)) || { echo "reward_hypotheses needs Python 3.12 or newer: install one (for example Debian's python3.13 and python3.13-venv, or 'pyenv install 3.13') and run make again." >&2; exit 1; }; \
	echo "Setting up $(VENV) with $$python (once; a minute or two)"; \
	rm -rf $(VENV) && "$$python" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c pins.txt -e '.[arrow,lander,minesweeper,minigrid,dev]'
	@$(BIN)/python -m compileall -q reward_hypotheses data models analysis
	@touch $@

lint: venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: venv
	$(BIN)/mypy

docs: venv
	cd $$(mktemp -d) && mkdir -p docs && ln -s $(CURDIR)/data data && ln -s $(CURDIR)/docs/figures docs/figures && \
	    $(CURDIR)/$(BIN)/python $(CURDIR)/tests/support/pages.py $(CURDIR)/docs/*.md
	$(BIN)/python tests/support/notebook.py docs/essay.ipynb
	$(BIN)/python tests/support/api_page.py
	$(BIN)/python tests/support/readme_page.py

agreement: venv
	$(BIN)/python tests/bench/agreement.py

calibration: venv
	PYTHONPATH=tests/support $(BIN)/python tests/bench/calibration.py

coverage: venv
	PYTHONPATH=tests $(BIN)/python -m bench.coverage coverage.jsonl

bench: venv
	$(BIN)/python tests/bench/bench.py

flown: venv
	$(BIN)/reward-hypotheses lander study --agents 24 --scenes 200 --seed 11 --out lander-study
	$(BIN)/reward-hypotheses lander render --out lander-flights
	cp lander-study/scatter.png docs/readme/flown-scatter.png
	for name in training right crater; do cp lander-flights/$$name.gif docs/readme/flown-$$name.gif; done

walked: venv
	$(BIN)/reward-hypotheses minigrid study --agents 24 --scenes 200 --seed 11 --out minigrid-study
	$(BIN)/reward-hypotheses minigrid render --out minigrid-walks
	cp minigrid-study/scatter.png docs/readme/walked-scatter.png
	for name in training right lava; do cp minigrid-walks/$$name.gif docs/readme/walked-$$name.gif; done

swept: venv
	$(BIN)/reward-hypotheses minesweeper study --agents 12 --scenes 100 --seed 1 --out minesweeper-study
	cp minesweeper-study/scatter.png docs/readme/swept-scatter.png

pins:
	uv pip compile --quiet --no-header --no-annotate --no-emit-index-url --universal --python-version 3.12 \
	    --extra arrow --extra lander --extra minesweeper --extra minigrid --extra dev pyproject.toml -o pins.txt

clean:
	rm -rf $(VENV) build *.egg-info demo-report .mypy_cache .pytest_cache .ruff_cache
