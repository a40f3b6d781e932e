// Shows that text that is no XML is refused, with the line and what was expected there.
#include "bindings/xml/strict.h"

#include <catch2/catch.hpp>

#include "bindings/xml/document.h"
#include "host/base/error.h"

using namespace drover;
using Catch::Contains;

namespace {

std::string problem_of(const std::string& text) {
  try {
    xml::Document::parse(text);
  } catch (const Error& error) {
    CHECK(error.code == "BAD_XML");
    return error.message;
  }
  return "accepted";
}

}  // namespace

TEST_CASE("text that is no XML is refused with the line and what was expected") {
  struct Row {
    std::string text;
    std::string expected;
  };
  const std::vector<Row> rows{
      {"", "line 1: expected an element, found the end of the text"},
      {" \n ", "line 2: expected an element"},
      {"hello", "line 1: expected an element, found text"},
      {"<!-- only -->", "expected an element"},
      {"<a>", "expected </a>, which line 1 opens, found the end of the text"},
      {"<a>\n<b>\n</a>", "line 3: expected </b>, which line 2 opens, found </a>"},
      {"</a>", "found </a>, which nothing opens"},
      {"<a/></a>", "found </a>, which nothing opens"},
      {"<a/>\n<b/>", "line 2: expected nothing after the root element, found <b>"},
      {"<a/> tail", "expected nothing after the root element, found text"},
      {"<a", "expected a space, > or /> in <a>, found the end of the text"},
      {"<a b", "expected = after the attribute 'b'"},
      {"<a b=", "expected the value of 'b' in quotes"},
      {"<a b=c>", "expected the value of 'b' in quotes, found 'c'"},
      {"<a b='c", "expected a quote at the end of the value of 'b'"},
      {"<a b='1'c='2'/>", "expected a space, > or /> in <a>, found 'c'"},
      {"<a b='1' b='2'/>", "the attribute 'b' of <a> is there twice"},
      {"<a b='<'/>", "expected &lt; for a <"},
      {"<a b='x & y'/>", "expected &amp; for a plain &"},
      {"<1a/>", "expected the name of an element, found '1'"},
      {"< a/>", "expected the name of an element, found ' '"},
      {"<a><></a>", "expected the name of an element, found '>'"},
      {"<a></a b>", "expected > after </a, found 'b'"},
      {"<a></a", "expected > after </a, found the end of the text"},
      {"<a>&nbsp;</a>", "unknown entity &nbsp;"},
      {"<a>&#0;</a>", "&#0; is no character that XML can hold"},
      {"<a>&#xD800;</a>", "&#xD800; is no character that XML can hold"},
      {"<a>&#xyz;</a>", "is no character that XML can hold"},
      {"<a>1 ]]> 2</a>", "text cannot hold ]]>"},
      {"<a><![CDATA[x</a>", "expected ]]> at the end of CDATA"},
      {"<![CDATA[x]]><a/>", "expected the root element, found CDATA"},
      {"<a><!-- x</a>", "expected --> at the end of the comment"},
      {"<a><!-- x -- y --></a>", "a comment cannot hold --"},
      {"<?xml version='1.0'", "expected ?> at the end of the processing instruction"},
      {"<a><!ELEMENT b></a>", "expected <!-- or <![CDATA["},
      {std::string("<a>\0</a>", 8), "found the character 0, which XML cannot hold"},
      {"<a>\x01</a>", "found the character 1, which XML cannot hold"},
      {"<a>\xff</a>", "expected UTF-8, found the byte 255"},
      {"<a>\xc0\xaf</a>", "expected UTF-8, found the byte 192"},
      {"<a>\xe0\x80\x80</a>", "expected UTF-8, found the byte 224"},
      {"<a>\xed\xa0\x80</a>", "which XML cannot hold"},
      {"<a>\xe2\x82", "expected UTF-8, found the byte 226"},
      {std::string("<\0a>", 4), "found the character 0"},
  };
  for (const Row& row : rows) {
    INFO(row.text);
    CHECK_THAT(problem_of(row.text), Contains(row.expected));
  }
}

TEST_CASE("every cut of a good text is refused and nothing worse happens") {
  const std::string good =
      "<?xml version='1.0'?>\n<!-- c --><domain type='kvm'>\n <name>a &amp; b &#x41;</name><x y=\"1\"/>"
      "<![CDATA[<raw>]]></domain>";
  CHECK(problem_of(good) == "accepted");
  for (size_t size = 0; size < good.size(); ++size) {
    INFO(size);
    CHECK(problem_of(good.substr(0, size)) != "accepted");
  }
}

TEST_CASE("no entity can be declared, so none can expand or read a file") {
  CHECK_THAT(problem_of("<!DOCTYPE a [<!ENTITY lol 'lol'><!ENTITY b '&lol;&lol;&lol;'>]><a>&b;</a>"),
             Contains("a document type declaration is not accepted"));
  CHECK_THAT(problem_of("<!DOCTYPE a SYSTEM 'file:///etc/passwd'><a/>"), Contains("document type"));
  CHECK_THAT(problem_of("<a>&b;</a>"), Contains("unknown entity &b;"));
}

TEST_CASE("size and depth are bounded") {
  std::string deep, end;
  for (int i = 0; i < xml::deepest_element; ++i) {
    deep += "<a>";
    end += "</a>";
  }
  CHECK(problem_of(deep + end) == "accepted");
  CHECK_THAT(problem_of("<a>" + deep + end + "</a>"), Contains("elements are nested deeper than 200"));
  CHECK_THAT(problem_of("<a>" + std::string(xml::most_text_bytes, ' ') + "</a>"), Contains("at most 16777216"));
}

TEST_CASE("what XML allows is read as it means") {
  auto document = xml::Document::parse(
      "\xEF\xBB\xBF<?xml version='1.0' encoding='UTF-8'?>\r\n<a b='&lt;&quot;&#65;'>"
      "x\r\ny &amp; \xe2\x82\xac <![CDATA[<raw> & ]]></a>\n<!-- end -->");
  auto root = document->root();
  CHECK(std::string(root.attribute("b").value()) == "<\"A");
  CHECK(xml::text_of(root) == "x\ny & \xe2\x82\xac <raw> & ");
}

TEST_CASE("names and values that XML cannot hold are refused") {
  for (const char* name : {"", "1a", "a b", "a>", "-a", "a=", "a\xff"}) {
    INFO(name);
    CHECK_THROWS_AS(xml::check_name(name), Error);
  }
  for (const char* name : {"a", "qemu:arg", "_x-1.2", "\xc3\xa4"}) CHECK_NOTHROW(xml::check_name(name));
  CHECK_THROWS_AS(xml::check_value(std::string_view("a\0b", 3)), Error);
  CHECK_THROWS_AS(xml::check_value("\x1b[31m"), Error);
  CHECK_NOTHROW(xml::check_value("tab\t <&>\"' \n"));
}
