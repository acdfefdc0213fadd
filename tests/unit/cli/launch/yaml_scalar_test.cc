// Plain scalars mean what PyYAML takes them for, and print as Python prints them.
#include "cli/launch/yaml_scalar.h"

#include <gtest/gtest.h>

#include <vector>

namespace devrun::launch {
namespace {

struct Case {
  std::string_view text;
  ScalarKind kind;
  std::string_view printed;
};

void expect_all(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    const Scalar scalar = resolve_plain(c.text);
    EXPECT_EQ(scalar.kind, c.kind) << c.text;
    EXPECT_EQ(python_str(scalar), c.printed) << c.text;
  }
}

constexpr auto kNull = ScalarKind::kNull;
constexpr auto kBool = ScalarKind::kBool;
constexpr auto kInt = ScalarKind::kInt;
constexpr auto kFloat = ScalarKind::kFloat;
constexpr auto kTimestamp = ScalarKind::kTimestamp;
constexpr auto kString = ScalarKind::kString;

TEST(PlainScalar, Nulls) {
  expect_all({{"", kNull, "None"},
              {"~", kNull, "None"},
              {"null", kNull, "None"},
              {"Null", kNull, "None"},
              {"NULL", kNull, "None"},
              {"nULL", kString, "nULL"},
              {"None", kString, "None"}});
}

TEST(PlainScalar, BooleansOfYaml11) {
  expect_all({{"true", kBool, "True"},
              {"yes", kBool, "True"},
              {"ON", kBool, "True"},
              {"False", kBool, "False"},
              {"no", kBool, "False"},
              {"Off", kBool, "False"},
              {"y", kString, "y"},
              {"tRUE", kString, "tRUE"}});
  EXPECT_TRUE(resolve_plain("on").boolean);
  EXPECT_FALSE(resolve_plain("off").boolean);
}

TEST(PlainScalar, WholeNumbers) {
  expect_all({{"0", kInt, "0"},          {"42", kInt, "42"},        {"-7", kInt, "-7"},
              {"+7", kInt, "7"},         {"1_000", kInt, "1000"},   {"010", kInt, "8"},
              {"-010", kInt, "-8"},      {"0x1F", kInt, "31"},      {"0b101", kInt, "5"},
              {"1:30", kInt, "90"},      {"1:30:05", kInt, "5405"}, {"-1:30", kInt, "-90"},
              {"0o17", kString, "0o17"}, {"08", kString, "08"},     {"0x", kString, "0x"},
              {"0x_", kString, "0x_"},   {"1:60", kString, "1:60"}, {"0:30", kString, "0:30"},
              {"12a", kString, "12a"},   {"_1", kString, "_1"},     {"1-2", kString, "1-2"},
              {"-", kString, "-"},       {"+", kString, "+"}});
}

TEST(PlainScalar, NumbersOfAnySize) {
  expect_all({{"123456789012345678901234567890", kInt, "123456789012345678901234567890"},
              {"0xffffffffffffffffffff", kInt, "1208925819614629174706175"},
              {"-9223372036854775808", kInt, "-9223372036854775808"}});
  EXPECT_EQ(resolve_plain("-9223372036854775808").integer, INT64_MIN);
  EXPECT_FALSE(resolve_plain("9223372036854775808").integer);
  EXPECT_EQ(resolve_plain(std::string(kDigitsMax + 1, '9')).kind, kString);
}

TEST(PlainScalar, FloatsNeedADotAndASignedExponent) {
  expect_all({{"1.0", kFloat, "1.0"},
              {"1.", kFloat, "1.0"},
              {".5", kFloat, "0.5"},
              {"-1.5", kFloat, "-1.5"},
              {"1.0e-5", kFloat, "1e-05"},
              {"1.5E+3", kFloat, "1500.0"},
              {"1_000.25", kFloat, "1000.25"},
              {"1e5", kString, "1e5"},
              {"1e-5", kString, "1e-5"},
              {"1.0e5", kString, "1.0e5"},
              {"-.5", kString, "-.5"},
              {".", kString, "."},
              {"1.2.3", kString, "1.2.3"},
              {".inf", kFloat, "inf"},
              {"-.INF", kFloat, "-inf"},
              {".nan", kFloat, "nan"},
              {"1:30.5", kFloat, "90.5"},
              {"..5", kString, "..5"}});
}

TEST(PlainScalar, FloatsPrintAsPythonDoes) {
  EXPECT_EQ(python_float(1e16), "1e+16");
  EXPECT_EQ(python_float(123456789012345.0), "123456789012345.0");
  EXPECT_EQ(python_float(0.0001), "0.0001");
  EXPECT_EQ(python_float(0.00001), "1e-05");
  EXPECT_EQ(python_float(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(python_float(-0.0), "-0.0");
  EXPECT_EQ(python_float(1.5e300), "1.5e+300");
  EXPECT_EQ(resolve_plain("1.0e+999").text, "inf");
  EXPECT_EQ(resolve_plain("1.0e-999").text, "0.0");
}

TEST(PlainScalar, Timestamps) {
  expect_all({{"2024-01-05", kTimestamp, "2024-01-05"},
              {"2024-1-5", kString, "2024-1-5"},
              {"2024-02-30", kString, "2024-02-30"},
              {"2024-01-05 3:04:05", kTimestamp, "2024-01-05 03:04:05"},
              {"2024-01-05T03:04:05.5Z", kTimestamp, "2024-01-05 03:04:05.500000+00:00"},
              {"2024-01-05t03:04:05 -7:30", kTimestamp, "2024-01-05 03:04:05-07:30"}});
}

TEST(PlainScalar, EverythingElseIsText) {
  expect_all({{"A100:8", kString, "A100:8"},
              {"16+", kString, "16+"},
              {"=", kString, "="},
              {"<<", kString, "<<"},
              {"64GB", kString, "64GB"},
              {"é", kString, "é"}});
}

}  // namespace
}  // namespace devrun::launch
