"""info.py COUNT: the loop of info.cpp, in Python."""
import sys
import time

import libvirt

count = int(sys.argv[1])
connection = libvirt.open("test:///default")
domain = connection.lookupByName("test")
started = time.process_time_ns()
for _ in range(count):
    info = domain.info()
elapsed = time.process_time_ns() - started
assert info[0] == libvirt.VIR_DOMAIN_RUNNING
print("%.1f" % (elapsed / count))
