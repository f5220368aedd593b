package model

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an exact amount in nano-USD (10⁻⁹ US dollars).
//
// On the wire and in configuration it is a plain decimal number of dollars
// with at most nine decimals. Prices per million tokens are Money too: $0.05
// per million is 50,000,000 nano-USD per million tokens. Amounts lie within
// ±9.2 billion dollars (±(2⁶³−1) nano-USD); parsing refuses more, and
// arithmetic that could pass it saturates in package cost.
type Money int64

// Units of Money.
const (
	NanoUSD Money = 1
	USD     Money = 1_000_000_000
)

// ParseMoney reads a decimal number of dollars ("0.05", "1e-6", "-3").
// Digits beyond the ninth decimal are refused unless they are zeros.
func ParseMoney(s string) (Money, error) {
	mant, exp := s, 0
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if err != nil || e < -100 || e > 100 {
			return 0, moneyError(s)
		}
		mant, exp = s[:i], e
	}
	neg := strings.HasPrefix(mant, "-")
	if neg {
		mant = mant[1:]
	}
	whole, frac, _ := strings.Cut(mant, ".")
	digits := whole + frac
	if digits == "" {
		return 0, moneyError(s)
	}
	shift := 9 - len(frac) + exp // digits × 10^shift is the amount in nano-USD
	for ; shift < 0 && strings.HasSuffix(digits, "0"); shift++ {
		digits = digits[:len(digits)-1]
	}
	var v uint64
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' || v > math.MaxInt64/10 {
			return 0, moneyError(s)
		}
		v = v*10 + uint64(c-'0')
	}
	if v == 0 {
		return 0, nil
	}
	if shift < 0 {
		return 0, fmt.Errorf("amount %q: want at most nine decimals", s)
	}
	for ; shift > 0; shift-- {
		if v > math.MaxInt64/10 {
			return 0, moneyError(s)
		}
		v *= 10
	}
	if v > math.MaxInt64 {
		return 0, moneyError(s)
	}
	if neg {
		return -Money(v), nil
	}
	return Money(v), nil
}

func moneyError(s string) error {
	return fmt.Errorf("amount %q: want a decimal number of US dollars below 9.2 billion, such as 0.05", s)
}

// FromUSD rounds a floating amount of dollars to the nearest nano-USD. It is
// for figures that arrive as floats (catalogues, estimates), never for sums.
func FromUSD(f float64) Money { return Money(math.Round(f * 1e9)) }

// USD returns the amount in dollars as a float, for scores and charts.
func (m Money) USD() float64 { return float64(m) / 1e9 }

// String formats the amount as dollars: "$0.0000125".
func (m Money) String() string {
	if m < 0 {
		return "-$" + string((-m).AppendDecimal(nil))
	}
	return "$" + string(m.AppendDecimal(nil))
}

// AppendDecimal appends the exact decimal number of dollars without trailing zeros.
func (m Money) AppendDecimal(b []byte) []byte {
	u := uint64(m)
	if m < 0 {
		b = append(b, '-')
		u = -u
	}
	b = strconv.AppendUint(b, u/1e9, 10)
	frac := u % 1e9
	if frac == 0 {
		return b
	}
	var d [10]byte
	d[0] = '.'
	for i := 9; i > 0; i-- {
		d[i] = byte('0' + frac%10)
		frac /= 10
	}
	n := 10
	for d[n-1] == '0' {
		n--
	}
	return append(b, d[:n]...)
}

// MarshalJSON writes a decimal number of dollars.
func (m Money) MarshalJSON() ([]byte, error) { return m.AppendDecimal(nil), nil }

// UnmarshalJSON reads a decimal number of dollars.
func (m *Money) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	if bytes.HasPrefix(b, []byte{'"'}) {
		return fmt.Errorf("amount %.40s: want a decimal number of US dollars without quotes, such as 0.05", b)
	}
	v, err := ParseMoney(string(b))
	if err == nil {
		*m = v
	}
	return err
}

// UnmarshalYAML reads a decimal number of dollars (goccy/go-yaml's BytesUnmarshaler).
func (m *Money) UnmarshalYAML(b []byte) error {
	return m.UnmarshalJSON(bytes.TrimSpace(b))
}

// MarshalYAML writes a decimal number of dollars.
func (m Money) MarshalYAML() ([]byte, error) { return m.AppendDecimal(nil), nil }
