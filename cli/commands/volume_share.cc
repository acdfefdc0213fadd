#include "cli/commands/volume_share.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/client/access.h"
#include "cli/commands/own_target.h"
#include "cli/output/table.h"

namespace devrun::cli {

namespace {

struct Wish {
  std::string volume;
  std::string with;  // empty: shown only
  ShareFor access = ShareFor::kNothing;
  bool json = false;
};

Result<int> share(const Wish& wish, Context& context) {
  const Target target = TRY(target_of(context));
  const SharesRecord volume = TRY(share_volume(target, wish.volume, wish.with, wish.access));
  if (wish.json) {
    nlohmann::ordered_json json = {{"volume", volume.volume},
                                   {"shares", nlohmann::ordered_json::object()}};
    for (const auto& [with, access] : volume.shares) json["shares"][with] = access;
    TRY(context.console.data(json.dump() + "\n"));
    return 0;
  }
  if (volume.shares.empty()) {
    context.console.say(fmt::format("volume {} is shared with nobody", volume.volume),
                        fmt::format("devrun volume share {} USER --read", volume.volume));
    return 0;
  }
  Table table({"SHARED WITH", "FOR"});
  for (const auto& [with, access] : volume.shares) table.add({with, access});
  TRY(context.console.data(table.render()));
  return 0;
}

}  // namespace

Result<Action> parse_volume_share(const Arguments& arguments) {
  const auto& words = arguments.words;
  if (words.size() < 2 || words.size() > 3 || arguments.has_dashes) {
    return Error{Code::kInvalid, "share: expected a volume, and a user or @GROUP",
                 "devrun volume share V ada --read"};
  }
  Wish wish{words[1], words.size() == 3 ? words[2] : "", ShareFor::kNothing, arguments.has("json")};
  const bool read = arguments.has("read"), write = arguments.has("write");
  const int chosen = (read ? 1 : 0) + (write ? 1 : 0) + (arguments.has("none") ? 1 : 0);
  if (chosen != (wish.with.empty() ? 0 : 1)) {
    return Error{Code::kInvalid,
                 wish.with.empty() ? "share: with whom? Expected a user or @GROUP"
                                   : "share: expected one of --read, --write and --none",
                 fmt::format("devrun volume share {} {} --read", wish.volume,
                             wish.with.empty() ? "USER" : wish.with)};
  }
  if (read) wish.access = ShareFor::kReading;
  if (write) wish.access = ShareFor::kWriting;
  return Action([wish](Context& context) { return share(wish, context); });
}

}  // namespace devrun::cli
