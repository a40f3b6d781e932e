// Opens the connection that `drover eval 'virt.connect(...)'` opens, with libvirt and nothing else.
#include <libvirt/libvirt.h>

int main(int argc, char** argv) {
  virConnectPtr connection = virConnectOpen(argc > 1 ? argv[1] : "test:///default");
  if (connection == nullptr) return 1;
  virConnectClose(connection);
  return 0;
}
