// Shows what counts as a difference, and how a person reads it.
#include "bindings/xml/diff.h"

#include <catch2/catch.hpp>

#include "bindings/xml/document.h"

using namespace drover::xml;

namespace {

std::string differences(const std::string& old_text, const std::string& new_text) {
  auto old_document = Document::parse(old_text);
  auto new_document = Document::parse(new_text);
  return format_diff(diff(old_document->root(), new_document->root()));
}

}  // namespace

TEST_CASE("the order of attributes, white space and comments are no difference") {
  CHECK(differences("<a x='1' y='2'><b/></a>", "<a y='2'  x='1'>\n  <!-- c --><b></b>\n</a>").empty());
  CHECK(differences("<a>text</a>", "<a>\n text </a>").empty());
}

TEST_CASE("attributes and texts are changed, added and removed") {
  CHECK(differences("<a x='1' gone='g'/>", "<a x='2' new=''/>") ==
        "~ /a/@x: 1 -> 2\n- /a/@gone: g\n+ /a/@new: (empty)\n");
  CHECK(differences("<a><name>one</name></a>", "<a><name>two</name></a>") == "~ /a/name: one -> two\n");
  CHECK(differences("<a><b>1</b><b>2</b></a>", "<a><b>1</b><b>3</b></a>") == "~ /a/b[2]: 2 -> 3\n");
}

TEST_CASE("another root is one change") {
  CHECK(differences("<a/>", "<b/>") == "- /a\n-     <a />\n+ /a\n+     <b />\n");
}

TEST_CASE("disks are paired by their target and not by their place") {
  const std::string vda = "<disk><source file='/a'/><target dev='vda'/></disk>";
  const std::string vdb = "<disk><source file='/b'/><target dev='vdb'/></disk>";
  const std::string moved = "<disk><source file='/moved'/><target dev='vdb'/></disk>";
  CHECK(differences("<d>" + vda + vdb + "</d>", "<d>" + vdb + vda + "</d>").empty());
  CHECK(differences("<d>" + vda + vdb + "</d>", "<d>" + moved + vda + "</d>") ==
        "~ /d/disk[2]/source/@file: /b -> /moved\n");
  CHECK(differences("<d>" + vda + vdb + "</d>", "<d>" + vdb + "</d>") ==
        "- /d/disk[1]\n-     <disk>\n-       <source file=\"/a\" />\n-       <target dev=\"vda\" />\n-     </disk>\n");
}

TEST_CASE("interfaces go by their address although libvirt renames their target") {
  auto interface = [](const std::string& mac, const std::string& target) {
    return "<interface><mac address='" + mac + "'/><target dev='" + target + "'/></interface>";
  };
  CHECK(differences("<d>" + interface("52:00", "vnet0") + interface("52:01", "vnet1") + "</d>",
                    "<d>" + interface("52:01", "vnet0") + interface("52:00", "vnet0") + "</d>") ==
        "~ /d/interface[2]/target/@dev: vnet1 -> vnet0\n");
}

TEST_CASE("controllers of two types have the same index") {
  CHECK(differences("<d><controller type='usb' index='0'/><controller type='pci' index='0'/></d>",
                    "<d><controller type='pci' index='0' model='q35'/><controller type='usb' index='0'/></d>") ==
        "+ /d/controller[2]/@model: q35\n");
}

TEST_CASE("elements without a name keep their order, and one put in between does not shift the rest") {
  CHECK(differences("<os><boot dev='hd'/></os>", "<os><boot dev='network'/><boot dev='hd'/></os>") ==
        "+ /os/boot[1]\n+     <boot dev=\"network\" />\n");
  CHECK_FALSE(
      differences("<os><boot dev='hd'/><boot dev='net'/></os>", "<os><boot dev='net'/><boot dev='hd'/></os>").empty());
}

TEST_CASE("paths are XPaths: in the new one for what was added, in the old one else") {
  auto old_document = Document::parse("<d><x>1</x><x>2</x><y>gone</y></d>");
  auto new_document = Document::parse("<d><x>0</x><x>1</x><x>2</x></d>");
  auto changes = diff(old_document->root(), new_document->root());
  REQUIRE(changes.size() == 2);
  CHECK(changes[0].kind == "added");
  CHECK(text_of(new_document->tree().select_node(changes[0].path.c_str()).node()) == "0");
  CHECK(changes[1].kind == "removed");
  CHECK(text_of(old_document->tree().select_node(changes[1].path.c_str()).node()) == "gone");
}

TEST_CASE("very long lists are compared within a bound") {
  std::string one = "<a>", two = "<a>";
  for (int i = 0; i < 5000; ++i) {
    one += "<b><c>" + std::to_string(i) + "</c></b>";
    two += "<b><c>" + std::to_string(i + (i == 4000 ? 1 : 0)) + "</c></b>";
  }
  CHECK(differences(one + "</a>", two + "</a>") == "~ /a/b[4001]/c: 4000 -> 4001\n");
}

TEST_CASE("a password is compared and not shown") {
  CHECK(differences("<d><g passwd='one'/></d>", "<d><g passwd='two'/></d>") == "~ /d/g/@passwd: *** -> ***\n");
  CHECK(differences("<d><g/></d>", "<d><g passwd='two'/></d>") == "+ /d/g/@passwd: ***\n");
  CHECK(differences("<d/>", "<d><x><g passwd='two'/></x></d>") ==
        "+ /d/x\n+     <x>\n+       <g passwd=\"***\" />\n+     </x>\n");
  auto document = Document::parse("<d><g passwd='two'/></d>");
  diff(document->root(), Document::parse("<e/>")->root());
  CHECK(document->root().child("g").attribute("passwd").value() == std::string("two"));
}
