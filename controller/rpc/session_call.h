// The call of an agent that serves a session (session_hub.h), and what is held of it.
#pragma once

#include "controller/rpc/admission.h"
#include "controller/rpc/session_hub.h"

namespace devrun::controller {

// `call`: of SessionHub::agent_call, before it is handed to gRPC.
void keep_held(AgentReactor& call, HeldCalls::Hold hold);

}  // namespace devrun::controller
