// csrc/scalar/big.h for test_big.py: operations by name on numbers as text.
#include "scalar/big.h"

#include <cstdio>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace hypgeo;

static Big parse(const char* text) {
  std::istringstream in(text);
  std::string m, rm;
  long long e, re;
  in >> m;
  if (m == "inf" || m == "-inf") return Big::infinity(m[0] == '-');
  if (m == "nan") return Big::nan();
  in >> e >> rm >> re;
  const bool negative = m[0] == '-';
  if (negative) m.erase(0, 1);
  const int before = big_precision(), n = int(m.size() + 15) / 16;
  m.insert(0, std::string(16 * n - m.size(), '0'));
  std::vector<std::uint64_t> w(n);
  for (int i = 0; i < n; ++i) w[n - 1 - i] = std::stoull(m.substr(16 * i, 16), nullptr, 16);
  big_precision(8192);
  Big a = Big::rounded(negative, w.data(), n, e + 64 * n, decltype(Big::radius)(std::stod(rm), re));
  big_precision(before);
  return a;
}

static std::string text(const Big& a) {
  if (is_nan(a)) return "nan";
  if (is_inf(a)) return a.negative ? "-inf" : "inf";
  char limb[40];
  std::string m = a.negative ? "-0" : "0";
  for (int i = a.size - 1; i >= 0; --i) {
    std::snprintf(limb, sizeof limb, "%016llx", (unsigned long long)a.data()[i]);
    m += limb;
  }
  std::snprintf(limb, sizeof limb, "%a", a.radius.m);
  return m + ' ' + std::to_string(a.exponent - 64 * a.size) + ' ' + limb + ' ' + std::to_string(a.radius.e);
}

using Unary = Big (*)(const Big&);
using Binary = Big (*)(const Big&, const Big&);
#define OF(f) {#f, [](const Big& a) { return f(a); }}
static Big copied(const Big& a) {
  Big b(a), c;
  c = b;
  b = std::move(c);
  return b;
}
static const std::map<std::string, Unary> unary = {
    {"neg", [](const Big& a) { return -a; }},
    {"copy", copied},
    OF(sqr), OF(sqrt), OF(exp), OF(expm1), OF(log), OF(log1p), OF(asinh),
    OF(coshq), OF(sinhcq), OF(dsinhcq), OF(tanhcq), OF(dtanhcq), OF(asinhcq), OF(dasinhcq), OF(atanhcq), OF(datanhcq)};
static const std::map<std::string, Binary> binary = {
    {"add", [](const Big& a, const Big& b) { return a + b; }},
    {"sub", [](const Big& a, const Big& b) { return a - b; }},
    {"mul", [](const Big& a, const Big& b) { return a * b; }},
    {"div", [](const Big& a, const Big& b) { return a / b; }},
    {"add_double", [](const Big& a, const Big& b) { return nearest_double(b) + a; }},
    {"sub_double", [](const Big& a, const Big& b) { return nearest_double(b) - a; }},
    {"mul_double", [](const Big& a, const Big& b) { return a * nearest_double(b); }},
    {"div_double", [](const Big& a, const Big& b) { return nearest_double(b) / a; }},
    {"less", [](const Big& a, const Big& b) { return Big(a < b ? 1.0 : 0.0); }},
    {"less_double", [](const Big& a, const Big& b) { return Big(a < nearest_double(b) ? 1.0 : 0.0); }},
    {"times_or_zero", [](const Big& a, const Big& b) { return times_or_zero(a, b); }},
    {"first", [](const Big& a, const Big& b) { return select(true, a, b); }},
    {"second", [](const Big& a, const Big& b) { return select(false, a, b); }}};

extern "C" const char* evaluate(const char* op, int bits, const char* a, const char* b) {
  static std::string result;
  big_precision(bits);
  const auto one = unary.find(op);
  result = text(one != unary.end() ? one->second(parse(a)) : binary.at(op)(parse(a), parse(b)));
  return result.c_str();
}
extern "C" double to_double(const char* a) { return nearest_double(parse(a)); }
extern "C" float to_float(const char* a) { return nearest_float(parse(a)); }
extern "C" const char* from_double(double a) {
  static std::string result;
  return (result = text(Big(a))).c_str();
}
extern "C" int is_within(const char* a, int bits) { return within(parse(a), bits); }
extern "C" long long exponent_of(const char* a) { return exponent(parse(a)); }
extern "C" double radius_of(const char* a) { return radius_log2(parse(a)); }
extern "C" int flags(const char* a) {
  const Big x = parse(a);
  return is_exact_zero(x) + 2 * is_nan(x) + 4 * is_inf(x) + 8 * is_unknown(x);
}
