// A volume with some files and a job that began with them: what tests of bringing home start from.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "common/runtime/file.h"
#include "tests/unit/controller/storage/driver_fixture.h"
#include "tests/unit/controller/storage/upper_model.h"

namespace devrun::storage {

namespace fs = std::filesystem;

class HomeTest : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (IsSkipped()) return;
    create("v");
    fs::create_directories(live("root/proj"));
    put("root/proj/a", "a0");
    put("root/proj/b", "b0");
    put("etc/conf", "c0");
    start_.key = {7, kNoTask, 0, 1};
    start_.volume = "v";
    start_.rules = kHomeRules;
    start_.applies = true;
    start_.final = true;
    start_.root = snapshot().tree;
  }

  void put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(live(path)).parent_path());
    std::ofstream(live(path)) << text;
  }
  std::string text(const std::string& path) {
    const Result<std::string> out = read_file(live(path));
    return out ? *out : "(" + std::string(out.error().code == Code::kNotFound ? "none" : "?") + ")";
  }
  HomeSummary home(const UpperModel& upper) { return home(start_, upper); }
  HomeSummary home(const HomeStart& start, const UpperModel& upper) {
    const Result<HomeSummary> out = bring(*storage_, start, upper);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : HomeSummary{};
  }
  // path → "A home" and the like.
  std::map<std::string, std::string> changes(const AttemptKey& key) {
    std::map<std::string, std::string> out;
    const Status told = storage_->changes(key, {}, [&](const Change& change) {
      const char* const states[] = {"", " home", " kept", " conflict"};
      out[change.path] = change.kind + std::string(states[static_cast<int>(change.state)]);
      return ok();
    });
    EXPECT_TRUE(told) << told.error().message;
    return out;
  }
  using Changes = std::map<std::string, std::string>;
  Taken take(const TakeRequest& request) {
    Work work;
    const Result<Taken> out = storage_->take_changes(request, work);
    EXPECT_TRUE(out) << out.error().message;
    return out ? *out : Taken{};
  }

  HomeStart start_;
};

}  // namespace devrun::storage
