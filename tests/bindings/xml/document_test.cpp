// Shows that a handle follows its element out of the document and never dangles (the sanitizer build is its judge).
#include "bindings/xml/document.h"

#include <catch2/catch.hpp>

using namespace drover::xml;

TEST_CASE("an element that is removed lives on for the handles into it") {
  auto document = Document::parse("<a><b i='1'><c>deep</c></b><b i='2'/></a>");
  auto outer = document->handle(document->root().child("b"));
  auto inner = document->handle(outer->node.child("c"));
  document->remove(outer->node);

  CHECK(serialise(document->root(), 0) == "<a><b i=\"2\"/></a>");
  CHECK(outer->document != document);
  CHECK(inner->document == outer->document);
  CHECK(text_of(inner->node) == "deep");
  CHECK(inner->node.parent() == outer->node);
  CHECK(outer->document->root() == outer->node);
  document.reset();
  CHECK(serialise(outer->node, 0) == "<b i=\"1\"><c>deep</c></b>");
}

TEST_CASE("clearing an element saves only what a handle points to") {
  auto document = Document::parse("<a>text<b/><c><d/></c></a>");
  auto kept = document->handle(document->root().child("c").child("d"));
  document->clear(document->root());
  CHECK(serialise(document->root(), 0) == "<a/>");
  CHECK(std::string(kept->node.name()) == "d");
  CHECK(std::string(kept->node.parent().name()) == "c");
}

TEST_CASE("an element has one handle") {
  auto document = Document::parse("<a><b/></a>");
  auto first = document->handle(document->root().child("b"));
  CHECK(document->handle(document->root().child("b")) == first);
  first.reset();
  CHECK(document->handle(document->root().child("b")).use_count() == 1);
}

TEST_CASE("a carriage return survives in an attribute, and is a line end in a text") {
  auto document = Document::parse("<a v='&#13;'>x&#13;y</a>");
  auto again = Document::parse(serialise(document->root(), 0));
  CHECK(std::string(again->root().attribute("v").value()) == "\r");
  CHECK(text_of(again->root()) == "x\ny");
}

TEST_CASE("what is written can be read again, whatever the values are") {
  auto document = Document::parse("<a/>");
  const std::string odd = " <b x='1'>&amp;\t\n\"quoted\" ]]> --> \xe2\x82\xac ";
  document->root().append_attribute("value").set_value(odd.c_str());
  document->root().append_child("t").append_child(pugi::node_pcdata).set_value(odd.c_str());
  for (int indent : {0, 2}) {
    auto again = Document::parse(serialise(document->root(), indent));
    CHECK(std::string(again->root().attribute("value").value()) == odd);
    CHECK(text_of(again->root().child("t")) == odd);
  }
}
