# pgberth: `make up` sets up this host, `make test` tries it.
SHELL = /bin/bash
PYTHON = /usr/bin/python3
PLAY = cd ansible && ansible-playbook
SERVICE = /usr/local/sbin/pgberth-service
DAEMON = /usr/local/sbin/pgberthd
LOG = /var/log/pgberth/pgberthd.log
BUILT = app/build/release/pgberthd
PYTEST = $(PYTHON) -m pytest -q -p no:cacheprovider tests

# Most tests run side by side, since they wait more than they compute; the few that disturb others run by themselves first.
WORKERS = 6
BESIDE_OTHERS = -m 'not seed and not serial and not slow and not box and not vm' -n $(WORKERS) --dist loadgroup
define run_tests
$(PYTEST) $(1) -m '(seed or serial) and not slow' || status=1; \
$(PYTEST) $(1) $(BESIDE_OTHERS) || status=1
endef

.DEFAULT_GOAL = help
.PHONY: help build deb up down start stop restart status logs install test quick alone lint format asan tsan fuzz bench soak torture clean faults tools box vm vm-test drivers

help: ## show this list
	@sed -n 's/^\([a-z -]*\):[^#]*## /\1\t/p' Makefile | expand -t 28

build: ## compile pgberthd
	@$(MAKE) --no-print-directory -j2 -C app

DEB = app/build/deb
deb: ## build a Debian package, app/build/*.deb
	@dpkg -s debhelper lintian >/dev/null 2>&1 || { $(PLAY) dev.yml -e dev_package=true </dev/null; }
	@[ "$$(dpkg-parsechangelog -l app/debian/changelog -S Version)" = "$$(sed -n 's/.*PGBERTH_VERSION "\(.*\)"/\1/p' app/base/version.h)" ] || { echo "app/debian/changelog and app/base/version.h differ" >&2; exit 1; }
	rm -rf $(DEB) && mkdir -p $(DEB)/pgberth/parts
	tar -C app --exclude=./build -c . | tar -C $(DEB)/pgberth -x
	cp -a nginx ansible/roles $(DEB)/pgberth/parts/
	cd $(DEB)/pgberth && DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -b -us -uc
	mv $(DEB)/*.deb $(DEB)/*.changes $(DEB)/*.buildinfo app/build/
	lintian --fail-on error app/build/pgberth_*.changes

up: ## set up this host and start everything (Ansible; again is fine)
	@command -v ansible-playbook >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends ansible-core; } </dev/null
	$(PLAY) site.yml $(ARGS) </dev/null

down: ## stop pgberthd and nginx; the servers of tenants go on
	-$(SERVICE) stop pgberthd
	-if [ -d /run/systemd/system ]; then systemctl stop nginx; else /etc/init.d/nginx stop; fi

start stop restart status: ## of pgberthd alone
	@$(SERVICE) $@ pgberthd

logs: ## follow pgberthd's log
	@if [ -d /run/systemd/system ]; then journalctl -fu pgberthd; else tail -F $(LOG); fi

# What is built goes live, in seconds: edit, `make test T=name`.
install: build
	@cmp -s $(BUILT) $(DAEMON) || { install -m 755 $(BUILT) $(DAEMON).new && mv $(DAEMON).new $(DAEMON) && $(SERVICE) restart pgberthd; }
	@$(SERVICE) status pgberthd >/dev/null || $(SERVICE) start pgberthd

tools:
	@$(PYTHON) -c 'import asyncpg, docker, hpack, hypothesis, psycopg2, pytest, requests, xdist' 2>/dev/null && command -v faketime >/dev/null || { $(PLAY) dev.yml </dev/null; }

# With the fault hook, for the tests that kill it at every step; nothing installs it.
faults:
	@$(MAKE) --no-print-directory -j2 -C app FAULTS=1

# The tests kill what they find: not beside somebody's servers (FORCE=1: beside them too).
alone: tools
	@$(PYTHON) tests/alone

test: alone install faults ## run the tests against what runs here (T=name: only those; FORCE=1: on a host with servers of others, too)
ifdef T
	$(PYTEST) -m 'not box and not vm' -k '$(T)'
else
	status=0; $(call run_tests); exit $$status
endif

quick: alone install faults ## run what an edit needs: each call and each mistake once, in a minute
	$(PYTEST) --part quick $(BESIDE_OTHERS)

torture: alone install faults ## the tests that take minutes each: allocations and calls of the engine that fail (TORTURE=full: every one)
	PGBERTH_TORTURE=$(TORTURE) $(PYTEST) -m slow

drivers: alone install ## log in with every driver that Debian and npm have, with TLS, to each major version
	@which go javac npm >/dev/null && dpkg -s python3-psycopg libpostgresql-jdbc-java golang-github-lib-pq-dev golang-github-jackc-pgx-v4-dev >/dev/null 2>&1 || { $(PLAY) dev.yml -e dev_drivers=true </dev/null; }
	npm ci --prefix tests/drivers --no-audit --no-fund </dev/null
	$(PYTEST) -k test_drivers

lint: ## format, fences, static analysis, Ansible and Python
	@which clang-format clang-tidy cppcheck yamllint ansible-lint shellcheck mandoc >/dev/null || { $(PLAY) dev.yml -e dev_lint=true </dev/null; }
	clang-format --dry-run -Werror app/*/*.[ch] tests/fuzz/*.[ch]
	./tests/fences
	cppcheck --quiet --std=c11 --enable=warning,performance,portability --error-exitcode=1 --suppress=ctuuninitvar --suppress=memleak -D_GNU_SOURCE -I app -i app/build app
	$(MAKE) --no-print-directory -C app analyze tidy
	yamllint -s ansible .yamllint .github .gitlab-ci.yml
	cd ansible && ansible-lint --offline site.yml dev.yml ci.yml verify.yml upgrade.yml
	shellcheck ansible/roles/image/files/build-image tests/vm-image .ci/run tests/fuzz/run app/host/stop-tenants app/host/reserve-user-ids app/debian/postinst app/debian/prerm app/debian/postrm vagrant/make-image vagrant/provision vagrant/test
	shellcheck -s bash app/host/completion
	mandoc -T lint -W warning app/man/*
	$(PYTHON) -m pyflakes tests/*.py tests/lib/*.py tests/fences tests/alone

format: ## bring the C code into shape
	clang-format -i app/*/*.[ch] tests/fuzz/*.[ch]

# The last line names make by itself: a line with $(MAKE) runs under make -n, too.
asan tsan: alone ## run the tests that find most on a build with sanitizers, then put the plain one back (ALL=1: run all)
	$(MAKE) --no-print-directory -j2 -C app SAN=$(if $(filter asan,$@),address,thread)
	install -m 755 app/build/$@/pgberthd $(DAEMON) && $(SERVICE) restart pgberthd
	export PGBERTHD_UNDER_TEST=$(CURDIR)/app/build/$@/pgberthd; \
	began=$$(wc -l <$(LOG)); status=0; \
	$(call run_tests,$(if $(ALL),,--part sanitize)); \
	tail -n +$$began $(LOG) | grep -aE 'runtime error|(Address|Leak|Thread)Sanitizer' && status=1; \
	make --no-print-directory install; exit $$status

SECONDS = 60
fuzz: ## let libFuzzer look for bytes that break a parser (SECONDS=60, for each of tests/fuzz)
	@dpkg -s clang libclang-rt-dev >/dev/null 2>&1 || { $(PLAY) dev.yml -e dev_fuzz=true </dev/null; }
	@$(MAKE) --no-print-directory -j2 -C app SAN=fuzzer fuzzers
	tests/fuzz/run $(SECONDS)

bench: install tools ## how long a create takes, beside the seed's way and the bare engine
	$(PYTHON) tests/bench.py

MINUTES = 10
soak: build faults tools ## make, kill, restart everything at random (MINUTES=10) and look whether all holds
	$(PYTHON) tests/soak.py --minutes $(MINUTES)

RELEASE = bookworm
DOCKER =
box: deb tools ## take bare hosts with systemd (in containers) from nothing to a pgberth, by roles and by package; upgrade, switch off, move (RELEASE=trixie; DOCKER=forky: with the engine of that later release)
	PGBERTH_BOX="$(RELEASE) $(DOCKER)" $(PYTEST) -s -m box

VM_RELEASE = trixie
vm: tools ## try a stock Debian with a kernel of its own, in QEMU: memory, quotas, walls, restarts (VM_RELEASE=trixie; T='…,…': parts of the suite, as make test T=)
	@command -v qemu-system-x86_64 >/dev/null || { $(PLAY) dev.yml -e dev_vm=true </dev/null; }
	PGBERTH_VM_RELEASE=$(VM_RELEASE) PGBERTH_VM_TESTS='$(T)' $(PYTEST) -s -m vm

PROVIDER = docker
vm-test: ## run the tests inside a box of Vagrant's (T=name: only those; PROVIDER=virtualbox, libvirt or docker)
	cd vagrant && vagrant up --provider=$(PROVIDER) && vagrant rsync && vagrant ssh -c 'sudo /pgberth-clone/vagrant/test $(if $(T),T="$(T)")'

clean: ## remove what was built
	$(MAKE) --no-print-directory -C app clean
