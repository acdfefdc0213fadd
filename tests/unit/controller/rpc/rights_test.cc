// Every call of the protos, by every kind of caller, against a real controller: what it refuses is what the table of
// rights (controller/access/rights.h) says, no more and no less.
#include "controller/access/rights.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/generic/generic_stub.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <regex>
#include <sstream>

#include "tests/unit/controller/rpc/harness.h"

namespace devrun::controller::testing {
namespace {

constexpr auto kHeldCallsEndAfter = std::chrono::milliseconds(400);

// The services of all protos, as their files name them.
std::vector<const google::protobuf::ServiceDescriptor*> all_services() {
  std::vector<const google::protobuf::ServiceDescriptor*> out;
  const std::regex service("(?:^|\n)service ([A-Za-z]+) \\{");
  for (const auto& entry :
       std::filesystem::directory_iterator(DEVRUN_SOURCE_FOLDER "/proto/devrun/v1")) {
    std::ifstream file(entry.path());
    std::stringstream read;
    read << file.rdbuf();
    const std::string text = read.str();
    for (std::sregex_iterator it(text.begin(), text.end(), service), end; it != end; ++it) {
      const std::string name = "devrun.v1." + (*it)[1].str();
      const auto* found =
          google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
      EXPECT_NE(found, nullptr) << name << " is not linked to this test";
      if (found != nullptr) out.push_back(found);
    }
  }
  return out;
}

struct Caller {
  unsigned by;
  std::shared_ptr<grpc::Channel> channel;
  std::map<std::string, std::string> metadata = {};
};

std::map<std::string, std::string> from_container(int uid) {
  return {{"devrun-forwarded-volume", "work"},
          {"devrun-forwarded-job", "1"},
          {"devrun-forwarded-uid", std::to_string(uid)},
          {"devrun-forwarded-gid", std::to_string(uid)}};
}

// One message, half-closed; a call that is held open ends by its deadline.
Error call(const Caller& caller, const std::string& path, const std::string& message) {
  grpc::GenericStub stub(caller.channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + kHeldCallsEndAfter);
  context.set_wait_for_ready(true);
  for (const auto& [name, value] : caller.metadata) context.AddMetadata(name, value);
  const grpc::Slice slice(message);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer reply;
  std::promise<grpc::Status> ended;
  stub.UnaryCall(&context, path, {}, &request, &reply,
                 [&](grpc::Status status) { ended.set_value(std::move(status)); });
  const grpc::Status status = ended.get_future().get();
  return status.ok() ? Error{Code::kInternal, "", ""} : error_of(status);
}

bool is_refused_as_caller(const Error& error) {
  return error.code == Code::kDenied &&
         (error.message.find(" is not for ") != std::string::npos ||
          error.message.find(" is only for root of this container") != std::string::npos);
}

TEST(RightsOfCalls, EveryCallOfTheProtosIsInTheTableAndRefusedToTheOthers) {
  TestCluster cluster;
  const auto node = cluster.channel(Role::kNode, "node1");
  const std::vector<std::pair<std::string, Caller>> callers = {
      {"user", {kByUser, cluster.channel(Role::kUser, "ada")}},
      {"admin", {kByAdmin, cluster.channel(Role::kAdmin, "root")}},
      {"read-only", {kByReader, cluster.channel(Role::kReader, "rita")}},
      {"node", {kByNode, node}},
      {"container", {kByContainer, node, from_container(1000)}},
      {"container's root", {kByContainer | kByContainerRoot, node, from_container(0)}},
      {"controller", {0, cluster.channel(Role::kController, "controller")}}};
  size_t calls = 0;
  for (const auto* service : all_services()) {
    if (service->name() == "Joining") continue;  // on a port of its own, for whoever has a token
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string name = service->method(i)->name();
      const std::string path = "/" + service->full_name() + "/" + name;
      const Right* right = right_of_path(path);
      ASSERT_NE(right, nullptr) << path << " has no line in controller/access/rights.cc";
      ++calls;
      for (const auto& [who, caller] : callers) {
        const Error error = call(caller, path, {});
        EXPECT_EQ(is_refused_as_caller(error), (right->by & caller.by) == 0)
            << name << " by " << who << ": " << error.message;
      }
    }
  }
  EXPECT_EQ(calls + 1, rights().size()) << "Joining.Join, and no line that is about no call";
}

// What to ask of job 1 or of volume `work`, for each call whose line needs a level on one.
const std::map<std::string, std::string> kRequests = {
    {"Submit",
     R"(request_id: "m1" spec { root { volume: "work" } nodes: 1 program { argv: "true" cwd: "/" } })"},
    {"Attach", "start { job: 1 task: -1 }"},
    {"Exec",
     R"(start { job: 1 task: -1 session { id: "0123456789abcdef" program { argv: "sh" cwd: "/" } } })"},
    {"ListSessions", "job: 1"},
    {"GetJob", "job: 1"},
    {"CancelJob", "job: 1 task: -1 signal: 1"},
    {"ReadLog", "job: 1 task: -1"},
    {"CreateVolume", R"(name: "copy" volume { volume: "work" })"},
    {"RemoveVolume", R"(name: "work")"},
    {"FillVolume", R"(start { volume: "work" })"},
    {"GetUsage", R"(volume: "work")"},
    {"SetQuota", R"(volume: "work")"},
    {"ListSnapshots", R"(volume: "work")"},
    {"CreateSnapshot", R"(volume: "work")"},
    {"RemoveSnapshot", R"(name { volume: "work" snapshot: "1" })"},
    {"RestoreSnapshot", R"(name { volume: "work" snapshot: "1" })"},
    {"DiffSnapshots", R"(before { volume: "work" snapshot: "1" } after { volume: "work" })"},
    {"ReadSnapshotFile", R"(name { volume: "work" snapshot: "1" } path: "/x")"},
    {"ListChanges", "of { job: 1 }"},
    {"TakeChanges", "of { job: 1 }"},
    {"UndoChanges", "of { job: 1 }"},
    {"CompareTrees",
     R"(before { snapshot { volume: "work" snapshot: "1" } } after { snapshot { volume: "work" } })"},
    {"ReadTreeFile", R"(tree { snapshot { volume: "work" snapshot: "1" } } path: "/x")"},
    {"GetVolumePaths", R"(volume: "work")"},
    {"SetVolumePaths", R"(volume: "work")"},
    {"ReadSeries", "job: 1"},
    {"ShareVolume", R"(volume: "work")"},
};
// Of a removed volume, which this storage does not keep; identity of its owner is tested with the real one.
const std::set<std::string> kNotHere = {"ReturnVolume"};

std::string encoded(const google::protobuf::MethodDescriptor& method, const std::string& text) {
  google::protobuf::DynamicMessageFactory factory;
  const std::unique_ptr<google::protobuf::Message> message(
      factory.GetPrototype(method.input_type())->New());
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, message.get())) << text;
  return message->SerializeAsString();
}

bool is_refused_volume(const Error& error) {
  return error.code == Code::kDenied && error.message.starts_with("volume 'work'");
}
bool is_refused_job(const Error& error) {
  return error.code == Code::kNotFound && error.message.starts_with("there is no job 1");
}

TEST(RightsOfCalls, WhatACallNeedsOnJobAndVolumeIsAsked) {
  TestCluster cluster;
  {
    Call submit;
    pb::SubmitReply submitted;
    ASSERT_TRUE(cluster.client()->Submit(&submit, request("r1"), &submitted).ok());
  }
  struct Person {
    std::string name;
    Role role;
    Level job, volume;
  };
  const std::vector<Person> people = {{"mallory", Role::kUser, Level::kNone, Level::kNone},
                                      {"rita", Role::kReader, Level::kSee, Level::kSee},
                                      {"bob", Role::kUser, Level::kNone, Level::kRead},
                                      {"carol", Role::kUser, Level::kNone, Level::kWrite},
                                      {"ada", Role::kUser, Level::kOwn, Level::kOwn},
                                      {"root", Role::kAdmin, Level::kOwn, Level::kOwn}};
  for (const Person& person : people) {
    const Caller caller{person.role == Role::kReader  ? kByReader
                        : person.role == Role::kAdmin ? kByAdmin
                                                      : kByUser,
                        cluster.channel(person.role, person.name)};
    for (const auto* service : all_services()) {
      for (int i = 0; i < service->method_count(); ++i) {
        const auto& method = *service->method(i);
        const std::string path = "/" + service->full_name() + "/" + method.name();
        const Right* right = right_of_path(path);
        if (right == nullptr || (right->by & caller.by) == 0 || kNotHere.contains(method.name())) {
          continue;
        }
        if (right->job == Level::kNone && right->volume == Level::kNone) continue;
        const auto asked = kRequests.find(method.name());
        ASSERT_NE(asked, kRequests.end()) << method.name();
        {
          const std::lock_guard lock(cluster.volumes().mutex);
          cluster.volumes().owners = {{"work", "ada"}};
          cluster.volumes().shares["work"] = {{"bob", storage::ShareFor::kReading},
                                              {"carol", storage::ShareFor::kWriting}};
        }
        const Error error = call(caller, path, encoded(method, asked->second));
        const bool names_job = asked->second.find("job: 1") != std::string::npos;
        if (names_job) {
          EXPECT_EQ(is_refused_job(error), person.job < right->job)
              << method.name() << " by " << person.name << ": " << error.message;
        } else {
          EXPECT_EQ(is_refused_volume(error), person.volume < right->volume)
              << method.name() << " by " << person.name << ": " << error.message;
        }
      }
    }
  }
}

}  // namespace
}  // namespace devrun::controller::testing
