// XML, title, description and metadata of a domain. Tested by tests/bindings/virt/domain_test.lua.
#include "bindings/virt/domain.h"
#include "bindings/virt/text.h"

namespace drover::virt {

namespace {

using core::Args;
using core::Blocking;
using core::Effect;
using core::Options;
using core::Push;

int xml(lua_State* L) {
  static constexpr FlagOption choices[] = {
      {"inactive", VIR_DOMAIN_XML_INACTIVE},
      {"secure", VIR_DOMAIN_XML_SECURE},
      {"migratable", VIR_DOMAIN_XML_MIGRATABLE},
      {"update_cpu", VIR_DOMAIN_XML_UPDATE_CPU},
  };
  Options options(L, 2, "Domain.xml");
  unsigned flags = read_flags(options, choices);
  options.finish();
  return run_domain_call(L, begin_domain_call(L, "Domain.xml", "read the XML of domain"),
                         [flags](const DomainCall& call) -> Push {
                           VirText text(virDomainGetXMLDesc(call.get(), flags));
                           if (!text) throw call.error();
                           return push_value(std::string(text.get()));
                         });
}

// Nothing when there is no such metadata.
std::optional<std::string> read_metadata(const DomainCall& call, int type, const std::string& uri, unsigned flags) {
  VirText text(virDomainGetMetadata(call.get(), type, uri.empty() ? nullptr : uri.c_str(), flags));
  if (text) return text.get();
  if (last_code() == "NO_METADATA") {
    virResetLastError();
    return std::nullopt;
  }
  throw call.error();
}

int read_element(lua_State* L, const char* function, bool must_exist) {
  std::string uri = Args(L, function).text(2, "uri");
  Options options(L, 3, function);
  unsigned flags = read_impact(options);
  options.finish();
  return run_domain_call(L, begin_domain_call(L, function, "read the metadata of domain"),
                         [=](const DomainCall& call) -> Push {
                           auto text = read_metadata(call, VIR_DOMAIN_METADATA_ELEMENT, uri, flags);
                           if (!text && must_exist) {
                             throw Error("virt", "NO_METADATA", "domain '" + call.name + "' has no metadata of " + uri)
                                 .on_host(call.connection->host())
                                 .on_object(call.name);
                           }
                           return push_value(text);
                         });
}

int metadata(lua_State* L) { return read_element(L, "Domain.metadata", true); }
int find_metadata(lua_State* L) { return read_element(L, "Domain.find_metadata", false); }

int read_text(lua_State* L, const char* function, const char* verb, int type) {
  Options options(L, 2, function);
  unsigned flags = read_impact(options);
  options.finish();
  return run_domain_call(L, begin_domain_call(L, function, verb), [=](const DomainCall& call) -> Push {
    return push_value(read_metadata(call, type, "", flags).value_or(""));
  });
}

int title(lua_State* L) { return read_text(L, "Domain.title", "read the title of domain", VIR_DOMAIN_METADATA_TITLE); }

int description(lua_State* L) {
  return read_text(L, "Domain.description", "read the description of domain", VIR_DOMAIN_METADATA_DESCRIPTION);
}

int set_text(lua_State* L, const char* function, const char* verb, int type) {
  std::string text = Args(L, function).text(2, "text");
  Options options(L, 3, function);
  unsigned flags = read_impact(options);
  options.finish();
  return change_domain(L, function, verb, [=](virDomainPtr domain) {
    // An empty text removes the element.
    const char* value = text.empty() ? nullptr : text.c_str();
    return virDomainSetMetadata(domain, type, value, nullptr, nullptr, flags);
  });
}

int set_title(lua_State* L) {
  return set_text(L, "Domain.set_title", "set the title of domain", VIR_DOMAIN_METADATA_TITLE);
}

int set_description(lua_State* L) {
  return set_text(L, "Domain.set_description", "set the description of domain", VIR_DOMAIN_METADATA_DESCRIPTION);
}

int set_metadata(lua_State* L) {
  Options options(L, 2, "Domain.set_metadata");
  auto uri = options.text("uri");
  auto key = options.text("key");
  auto text = options.text("xml");
  bool remove = options.flag("remove");
  unsigned flags = read_impact(options);
  options.finish();
  if (!uri) options.fail("uri", "the namespace of the metadata", "nothing");
  if (remove == text.has_value()) options.fail("xml", "either xml or remove = true", remove ? "both" : "neither");
  if (text && !key) options.fail("key", "the prefix of the namespace", "nothing");
  return change_domain(L, "Domain.set_metadata", "set the metadata of domain", [=](virDomainPtr domain) {
    return virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, text ? text->c_str() : nullptr,
                                key ? key->c_str() : nullptr, uri->c_str(), flags);
  });
}

}  // namespace

std::vector<core::Function> domain_definition_methods() {
  constexpr const char* gone = "NO_DOMAIN, CONNECTION_LOST, CONNECTION_CLOSED";
  constexpr const char* refused = "NO_DOMAIN, OPERATION_INVALID, BAD_XML, CONNECTION_LOST, READ_ONLY";
  core::Value impact{"options?", "table", impact_doc};
  core::Value same{"domain", "virt.Domain", "The same domain."};
  return {
      {"xml",
       xml,
       "Its XML: of the running domain when it runs, else its definition.",
       {{"options?", "table",
         "Booleans: inactive (the definition), secure (with passwords), migratable (as another host takes it), "
         "update_cpu (with the host's CPU worked in)."}},
       {{"xml", "string", ""}},
       gone,
       Blocking::yes},
      {"metadata",
       metadata,
       "The XML element kept for a namespace.",
       {{"uri", "string", "The namespace."}, impact},
       {{"xml", "string", ""}},
       "NO_METADATA, NO_DOMAIN, CONNECTION_LOST",
       Blocking::yes},
      {"find_metadata",
       find_metadata,
       "The XML element kept for a namespace, or nil.",
       {{"uri", "string", "The namespace."}, impact},
       {{"xml?", "string", ""}},
       gone,
       Blocking::yes},
      {"set_metadata",
       set_metadata,
       "Keeps an XML element with the domain, under a namespace; or removes it.",
       {{"options", "table",
         std::string("uri: the namespace. key: its prefix in the XML. xml: the element. remove: boolean, instead of "
                     "xml. ") +
             impact_doc}},
       {same},
       refused,
       Blocking::yes,
       Effect::changes},
      {"title", title, "Its title, or \"\".", {impact}, {{"title", "string", ""}}, gone, Blocking::yes},
      {"description",
       description,
       "Its description, or \"\".",
       {impact},
       {{"description", "string", ""}},
       gone,
       Blocking::yes},
      {"set_title",
       set_title,
       "Sets its title; \"\" removes it.",
       {{"text", "string", "One line."}, impact},
       {same},
       refused,
       Blocking::yes,
       Effect::changes},
      {"set_description",
       set_description,
       "Sets its description; \"\" removes it.",
       {{"text", "string", "What it says."}, impact},
       {same},
       refused,
       Blocking::yes,
       Effect::changes},
  };
}

}  // namespace drover::virt
