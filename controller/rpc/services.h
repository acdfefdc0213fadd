// What the gRPC services are made of: the parts that main.cc's Server owns.
#pragma once

#include "common/runtime/seal.h"
#include "controller/access/accounts.h"
#include "controller/rpc/agent_sessions.h"
#include "controller/rpc/archive.h"
#include "controller/rpc/attendance.h"
#include "controller/rpc/core_loop.h"
#include "controller/rpc/gate.h"
#include "controller/rpc/quotas.h"
#include "controller/rpc/round_news.h"
#include "controller/rpc/session_hub.h"
#include "controller/rpc/site_notes.h"
#include "controller/rpc/store_refusals.h"
#include "controller/rpc/stream_hub.h"
#include "controller/rpc/watch_call.h"
#include "controller/rpc/worker_pool.h"
#include "controller/storage/storage.h"

namespace devrun::controller {

struct Parts {
  CoreLoop& core;
  Archive& archive;
  StreamHub& hub;
  SessionHub& sessions;
  AgentSessions& agents;  // core's thread only
  Watches& watches;       // likewise
  Attendance& attendance;
  storage::Storage& storage;
  const Sealer& sealer;
  WorkerPool& snapshots;
  WorkerPool& volume_work;  // of volumes, what is over soon: nobody's slowness holds it up
  WorkerPool&
      long_work;  // what goes at its caller's speed, or takes minutes: making, filling, comparing
  WorkerPool& home_work;  // what agents bring home
  RoundNews& round_news;
  SampleBook& samples;      // any thread
  Accounts& accounts;       // any thread
  const Gate& gate;         // any thread
  WorkerPool& access_work;  // changes of accounts, groups and certificates, one after the other
  Quotas& quotas;           // any thread
  SiteNotes& site_notes;    // any thread
  StoreRefusals& store_refusals;
};

// Versions speak with each other if they agree in what a release may break.
Status check_version(std::string_view who, std::string_view version);

}  // namespace devrun::controller
