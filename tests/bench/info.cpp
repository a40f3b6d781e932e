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
  unsigned long long sum = 0;
  std::clock_t started = std::clock();
  for (long i = 0; i < count; ++i) {
    virDomainInfo info;
    if (virDomainGetInfo(domain, &info) < 0) return 1;
    sum += info.state;
  }
  double elapsed_s = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
  if (sum != static_cast<unsigned long long>(count) * VIR_DOMAIN_RUNNING) return 1;
  std::printf("%.1f\n", elapsed_s * 1e9 / static_cast<double>(count));
  virDomainFree(domain);
  virConnectClose(connection);
  return 0;
}
