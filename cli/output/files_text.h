// What a node's file system has counted, for people: the lower part of `devrun nodes show`. Pure.
#pragma once

#include <string>

#include "common/model/node.h"

namespace devrun::cli {

std::string files_text(const Counts& counts);
// "has not answered for 12 s, 3 reads wait"; empty while the store answers.
std::string store_away_text(const Counts& counts);

}  // namespace devrun::cli
