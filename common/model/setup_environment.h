// What of its environment a setup step that is run once has, and so can depend on: nothing that says
// which job, node or terminal it is run for. Whoever makes its key hashes what is left, and whoever
// runs it gives it no more, so that the two cannot disagree. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace devrun {

// Whether a step that is run once for jobs of so many ranks has the variable of that name.
bool setup_sees(std::string_view name, uint32_t ranks);

// NAME=VALUE NUL …: those that it sees, in the order of their bytes.
std::string environment_of_setup(std::string_view environment, uint32_t ranks);

// The text of a task file's setup step, as it lies in that environment (cli/launch/script.h); empty:
// it has none.
std::string text_of_setup(std::string_view environment);

// Whether it also fetches or fills folders (file_mounts of a task file), from places that nobody watches.
bool fills_places(std::string_view environment);

// Why a step with that text is to run in each attempt, on each rank: it names what differs there;
// empty: nothing of that kind.
std::string names_its_place(std::string_view text, uint32_t ranks);

}  // namespace devrun
