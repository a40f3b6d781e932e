// info COUNT: nanoseconds of processor time of one virDomainGetInfo on test:///default, over COUNT calls. Processor
// time, because what else runs on the machine must not decide.
#include <libvirt/libvirt.h>

#include <cstdio>
#include <cstdlib>
#include <ctime>

int main(int, char** argv) {
  long count = std::atol(argv[1]);
  virConnectPtr connection = virConnectOpen("test:///default");
  virDomainPtr domain = connection != nullptr ? virDomainLookupByName(connection, "test") : nullptr;
  if (domain == nullptr) return 1;
  virDomainInfo info;
  std::clock_t started = std::clock();
  for (long i = 0; i < count; ++i) {
    if (virDomainGetInfo(domain, &info) < 0) return 1;
  }
  double elapsed_s = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
  if (info.state != VIR_DOMAIN_RUNNING) return 1;
  std::printf("%.1f\n", elapsed_s * 1e9 / static_cast<double>(count));
  virDomainFree(domain);
  virConnectClose(connection);
  return 0;
}
