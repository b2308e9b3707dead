# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
# coop: `make help` lists the targets.

export O ?= $(CURDIR)/build
SETUP ?= yes
ifdef KERNEL
# One of Debian's that is not installed, such as 6.12.
STOCK = $(O)/kernels/$(KERNEL)
KVER = $(KERNEL)
KDIR = $(STOCK)/build
else
KVER = $(shell tools/vm/release)
endif
KDIR ?= /lib/modules/$(KVER)/build
MODULE_DIR = $(O)/module/$(KVER)
KSOURCE = $(O)/kernel-source
REPORT = $(O)/report/$(KERNEL)

all: module library benchmark ## the module (./coop.ko), the library, coopbench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile

# Kbuild writes beside what it reads, so it is given links under build/.
module: $(STOCK) ## coop.ko for the running kernel, or the newest with headers
	@mkdir -p $(MODULE_DIR)
	@cp -rsuf $(CURDIR)/Kbuild $(CURDIR)/module $(CURDIR)/uapi $(MODULE_DIR)/
	$(MAKE) -C $(KDIR) O= M=$(MODULE_DIR) W=1 modules
	@$(if $(STOCK)$(filter debug,$(KVER))$(COOP_RELAXED),,cp $(MODULE_DIR)/coop.ko coop.ko)

# As it is on a kernel that does not let modules call task_work_add().
relaxed-module:
	$(MAKE) module COOP_RELAXED=y MODULE_DIR=$(O)/module/relaxed

# What selftests/events awaits.
test-module: module
	@mkdir -p $(MODULE_DIR)/test
	@cp -rsuf $(CURDIR)/selftests/queue/. $(MODULE_DIR)/test/
	$(MAKE) -C $(KDIR) O= M=$(MODULE_DIR)/test W=1 modules

$(STOCK):
	tools/vm/fetch-debian $(KERNEL) $@

library: ## libcoop.a and libcoop.so in build/lib
	$(MAKE) -C userlib

benchmark: library ## build/coopbench
	$(MAKE) -C tools/bench

setup: ## install the packages that are missing
	@[ "$(SETUP)" = no ] || tools/setup

selftests: setup ## build the selftests
	$(MAKE) -C selftests

style: setup ## checkpatch, sparse, clang-format
	tools/style $(KSOURCE)

check: setup ## everything: style, then all tests in the lab
	$(MAKE) style test-module relaxed-module selftests benchmark SETUP=no
	$(MAKE) -C userlib test-programs
	tools/check

check-kernels: setup ## the selftests on Debian's 6.1, 6.1-rt, 6.12 (KERNELS=...)
	$(MAKE) selftests SETUP=no
	tools/check-kernels $(KERNELS)

demo: setup ## measure everything in the lab: tables, and a chart in build/report
	$(MAKE) all SETUP=no
	tools/bench/demo --out $(REPORT) $(if $(KERNEL),--release $(KERNEL)) $(LAB)

bench: demo ## the same (KERNEL=6.12: on that), held against the ratios coop keeps
	tools/bench/guard $(REPORT)/bench.json
	@tools/bench/compare $$(ls -U $(O)/report/bench.json $(O)/report/*/bench.json 2>/dev/null) \
		>$(O)/report/kernels.txt
	@echo "all kernels measured so far, side by side, are in $(O)/report/kernels.txt:"
	@cat $(O)/report/kernels.txt

check-debug: setup ## the selftests on a kernel with every check on (builds it first)
	tools/vm/build-kernel $(O)/debug
	$(MAKE) test-module selftests SETUP=no KVER=debug KDIR=$(O)/debug/linux
	tools/check-debug $(O)/debug/linux $(O)/module/debug/coop.ko

mutate: selftests test-module ## take guarding lines out, one by one: a test must notice
	tools/mutate

install: ## library, headers, manual, udev rule, dkms source (DESTDIR=, prefix=)
	$(MAKE) -C tools/install install

uninstall: ## remove what install put there
	$(MAKE) -C tools/install uninstall

dkms: ## build and install the module by dkms, as root
	$(MAKE) -C tools/install dkms

clean: ## remove all that was built
	rm -rf $(O) coop.ko

.PHONY: all help module test-module relaxed-module library benchmark setup selftests style \
	check check-debug check-kernels demo bench mutate install uninstall dkms clean
