// What keys do, and the table that the help screen shows.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "tui/model/model.h"

namespace devrun::tui {

void press(Model& model, const Key& key, std::vector<Command>& commands);

struct KeyHelp {
  std::string_view keys;
  std::string_view does;
};
std::span<const KeyHelp> key_help(Screen screen);

}  // namespace devrun::tui
