"""info.py COUNT: the loop of info.cpp, in Python."""
import sys
import time

import libvirt

count = int(sys.argv[1])
connection = libvirt.open("test:///default")
domain = connection.lookupByName("test")
running = 0
started = time.process_time_ns()
for _ in range(count):
    if domain.info()[0] == libvirt.VIR_DOMAIN_RUNNING:
        running += 1
elapsed = time.process_time_ns() - started
assert running == count
print("%.1f" % (elapsed / count))
