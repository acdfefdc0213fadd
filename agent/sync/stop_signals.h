// What an agent waits for while its threads work: to be told to end (TERM, INT), or a reason of its own. Who is told to end ends,
// whatever else came at the same time.
//
// A handler and no blocked signals: what is blocked stays so in the programs that we start. Around an exec they are blocked, so
// that one that comes then is found by the program after it, whose catch_stop_signals lets it in.
#pragma once

#include "common/base/result.h"

namespace devrun::agent {

// Once, before threads are started.
Status catch_stop_signals();
// Until a signal, or wake().
void wait_for_stop_signal();
// Any thread.
void wake();
bool told_to_stop();

// From here to the exec no signal is lost: false if one has come before.
bool may_begin_anew();

}  // namespace devrun::agent
