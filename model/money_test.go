package model

import (
	"encoding/json"
	"math"
	"testing"

	"pgregory.net/rapid"
)

func TestParseMoney(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Money
		ok   bool
	}{
		{"0.05", 50_000_000, true},
		{"1", USD, true},
		{"-3", -3 * USD, true},
		{"1e-6", 1000, true},
		{"2.5E2", 250 * USD, true},
		{".5", 500_000_000, true},
		{"0.0000000010", 1, true}, // ten decimals, the last a zero
		{"0.0000000001", 0, false},
		{"9223372036.854775807", math.MaxInt64, true},
		{"9223372036.854775808", 0, false},
		{"99999999999999999999", 0, false},
		{"1e99", 0, false},
		{"0e99", 0, true},
		{"", 0, false},
		{"-", 0, false},
		{"1.2.3", 0, false},
		{"$1", 0, false},
		{"NaN", 0, false},
	} {
		got, err := ParseMoney(c.in)
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("ParseMoney(%q) = %d, %v; want %d, ok %v", c.in, got, err, c.want, c.ok)
		}
	}
}

func TestMoneyStrings(t *testing.T) {
	for m, want := range map[Money]string{
		0: "$0", 1: "$0.000000001", 12_500: "$0.0000125", USD: "$1", -1_500_000_000: "-$1.5", math.MaxInt64: "$9223372036.854775807",
	} {
		if got := m.String(); got != want {
			t.Errorf("Money(%d) = %s, want %s", int64(m), got, want)
		}
	}
}

func TestMoneySurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Money(rapid.Int64().Draw(t, "nano"))
		if want == math.MinInt64 {
			t.Skip("no positive counterpart")
		}
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got Money
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Fatalf("%d became %s became %d: %v", want, b, got, err)
		}
	})
}

func FuzzParseMoney(f *testing.F) {
	for _, s := range []string{"0.05", "-1e3", "1.000000000", "9e99", "e5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := ParseMoney(s)
		if err != nil {
			return
		}
		again, err := ParseMoney(string(m.AppendDecimal(nil)))
		if err != nil || again != m {
			t.Fatalf("%q is %d, printed and read it is %d (%v)", s, m, again, err)
		}
	})
}
