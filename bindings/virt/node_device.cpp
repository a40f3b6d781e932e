#include "bindings/virt/node_device.h"

#include "bindings/virt/enums.h"
#include "bindings/virt/object_call.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::CancelToken;
using core::Options;
using core::Push;
using NodeDeviceRef = VirRef<virNodeDevicePtr>;

// The names are those of the <capability type='...'> in the device's XML.
constexpr EnumName<> capabilities[] = {
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_SYSTEM, "system"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_PCI_DEV, "pci"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_DEV, "usb_device"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_USB_INTERFACE, "usb"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_NET, "net"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_HOST, "scsi_host"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_TARGET, "scsi_target"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI, "scsi"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_STORAGE, "storage"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_FC_HOST, "fc_host"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_VPORTS, "vports"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_SCSI_GENERIC, "scsi_generic"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_DRM, "drm"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV_TYPES, "mdev_types"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_MDEV, "mdev"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_CCW_DEV, "ccw"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_CSS_DEV, "css"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_VDPA, "vdpa"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_AP_CARD, "ap_card"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_AP_QUEUE, "ap_queue"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_AP_MATRIX, "ap_matrix"},
    {VIR_CONNECT_LIST_NODE_DEVICES_CAP_VPD, "vpd"},
};

int node_devices(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.node_devices");
  Options options(L, 2, "Connection.node_devices");
  auto capability = options.choice("capability", enum_names(capabilities));
  options.finish();
  unsigned flags = capability ? static_cast<unsigned>(enum_number(capabilities, *capability)) : 0;
  auto pointer = connection->use("list node devices");
  return run(L, connection, "list of node devices", [connection, pointer, flags](CancelToken&) -> Push {
    virNodeDevicePtr* found = nullptr;
    int count = virConnectListAllNodeDevices(pointer.get(), &found, flags);
    if (count < 0) throw connection->error("list node devices");
    std::vector<std::string> names;
    for (const NodeDeviceRef& device : take_list(found, count)) names.emplace_back(virNodeDeviceGetName(device.get()));
    return push_value(std::move(names));
  });
}

int node_device_xml(lua_State* L) {
  const ConnectionPtr& connection = check_connection(L, 1, "Connection.node_device_xml");
  std::string name = Args(L, "Connection.node_device_xml").text(2, "name");
  std::string attempt = "read the XML of node device '" + name + "'";
  auto pointer = connection->use(attempt);
  return run(L, connection, attempt, [connection, pointer, name, attempt](CancelToken&) -> Push {
    NodeDeviceRef device(virNodeDeviceLookupByName(pointer.get(), name.c_str()));
    if (!device) throw connection->error(attempt, name);
    VirText text(virNodeDeviceGetXMLDesc(device.get(), 0));
    if (!text) throw connection->error(attempt, name);
    return push_value(std::string(text.get()));
  });
}

}  // namespace

std::vector<core::Function> node_device_methods_of_connection() {
  return {
      {"node_devices",
       node_devices,
       "The names of the devices of the host, all of them without a filter.",
       {{"options?", "table",
         "capability: system, pci, usb_device, usb, net, scsi_host, scsi_target, scsi, storage, fc_host, vports, "
         "scsi_generic, drm, mdev_types, mdev, ccw, css, vdpa, ap_card, ap_queue, ap_matrix, vpd."}},
       {{"names", "string[]", ""}},
       "BAD_ARGUMENT, UNSUPPORTED, CONNECTION_LOST",
       Blocking::yes},
      {"node_device_xml",
       node_device_xml,
       "The XML of a device of the host.",
       {{"name", "string", "As pci_0000_00_1f_2."}},
       {{"xml", "string", ""}},
       "NO_NODE_DEVICE, UNSUPPORTED, CONNECTION_LOST",
       Blocking::yes},
  };
}

}  // namespace drover::virt
