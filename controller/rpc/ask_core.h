// What a thread that may block wants to know of the core's state.
#pragma once

#include <future>
#include <memory>
#include <type_traits>
#include <utility>

#include "controller/rpc/core_loop.h"

namespace devrun::controller {

// What `look` answers, on the core's thread, after all that was posted before. Blocks: never for that thread.
template <typename Look>
auto ask_core(CoreLoop& core, Look look) {
  using Answer = std::invoke_result_t<Look&, const State&, Time>;
  auto asked = std::make_shared<std::promise<Answer>>();
  std::future<Answer> answer = asked->get_future();
  core.read([asked, look = std::move(look)](const State& state, Time now) mutable {
    asked->set_value(look(state, now));
  });
  return answer.get();
}

}  // namespace devrun::controller
