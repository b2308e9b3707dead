# SPDX-License-Identifier: LGPL-2.1-or-later OR MIT
O ?= $(CURDIR)/build
KVER ?= $(shell ls -d /lib/modules/*/build 2>/dev/null | sed 's,/lib/modules/\(.*\)/build,\1,' | sort -V | tail -n 1)
KDIR ?= /lib/modules/$(KVER)/build
module:
	mkdir -p $(O)/module/$(KVER)
	cp -rsuf $(CURDIR)/Kbuild $(CURDIR)/module $(CURDIR)/uapi $(O)/module/$(KVER)/
	$(MAKE) -C $(KDIR) M=$(O)/module/$(KVER) $(if $(C),C=$(C)) $(if $(W),W=$(W)) modules
.PHONY: module
