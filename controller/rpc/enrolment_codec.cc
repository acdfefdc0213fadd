// enrolment.json, to and from text (enrolment.h).
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "controller/rpc/enrolment.h"

namespace devrun::controller {

namespace {

constexpr int kVersion = 1;

using Json = nlohmann::ordered_json;

Json times(const std::map<std::string, Time>& by_name) {
  Json out = Json::object();
  for (const auto& [name, time] : by_name) out[name] = time.us;
  return out;
}

std::map<std::string, Time> times_of(const Json& json) {
  std::map<std::string, Time> out;
  for (const auto& [name, us] : json.items()) out[name] = Time{us.get<int64_t>()};
  return out;
}

}  // namespace

std::string Enrolment::to_json(const Book& book) {
  Json invitations = Json::object();
  for (const auto& [hash, invitation] : book.invitations) {
    invitations[hash] = {{"who", certificate_uri(invitation.who)},
                         {"until_us", invitation.until.us},
                         {"key", invitation.key}};
  }
  Json untils = Json::object();
  Json issued = Json::object();
  for (const auto& [name, member] : book.members) {
    untils[name] = member.until.us;
    issued[name] = member.issued.us;
  }
  const Json json = {{"version", kVersion},
                     {"tokens", invitations},
                     {"members", untils},
                     {"issued", issued},
                     {"revoked", times(book.revoked)}};
  return json.dump(1) + "\n";
}

// Nobody is let in, or kept out, by a file that is not understood.
Result<Enrolment::Book> Enrolment::parse(const std::string& text, const std::string& file) const {
  const auto damaged = [&](std::string_view what) {
    return Error{Code::kCorrupt, fmt::format("{} cannot be read: {}", file, what),
                 "restore it from a backup; without it, revoked certificates would count again"};
  };
  try {
    const Json json = Json::parse(text);
    if (json.at("version").get<int>() != kVersion) return damaged("it is of another version");
    Book out;
    for (const auto& [hash, one] : json.at("tokens").items()) {
      const auto who = parse_certificate_uri(one.at("who").get<std::string>());
      if (!who) return damaged("a token is for nobody");
      out.invitations[hash] = {*who, Time{one.at("until_us").get<int64_t>()},
                               one.at("key").get<std::string>()};
    }
    // Older files do not say when the newest was issued.
    const auto issued = times_of(json.value("issued", Json::object()));
    for (const auto& [name, until] : times_of(json.at("members"))) {
      const auto known = issued.find(name);
      out.members[name] = {until, known != issued.end()
                                      ? known->second
                                      : until + Duration{-options_.certificate_life.us}};
    }
    out.revoked = times_of(json.at("revoked"));
    return out;
  } catch (const nlohmann::json::exception& e) {
    return damaged(e.what());
  }
}

}  // namespace devrun::controller
