package alert

import (
	"math"
	"strconv"
	"strings"
)

// Write writes a value of the rule's for people.
func (r *Rule) Write(v float64) string { return WriteValue(r.Type, kinds[r.Type].unit, v) }

// WriteValue writes a value of an alert of a type for people, with its unit:
// shares as per cent, burn rates as factors.
func WriteValue(t Type, unit string, v float64) string {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "unknown"
	case unit == "USD" && math.Abs(v) < 0.01 && v != 0:
		return "$" + significant(v, 2)
	case unit == "USD":
		return "$" + decimal(v, 2)
	case unit == "bytes":
		return size(v)
	case unit == "" && t == BurnRate:
		return decimal(v, 1) + "×"
	case unit == "":
		return percent(v*100) + " %"
	case unit == "calls" && v == 1:
		return "1 call"
	}
	return short(v) + " " + unit
}

// decimal writes so many digits after the point, as long as a float has any there.
func decimal(v float64, digits int) string {
	if math.Abs(v) >= 1e15 {
		digits = -1
	}
	return strconv.FormatFloat(v, 'f', digits, 64)
}

// significant writes at most so many digits besides zeros before and behind them,
// and no exponent, which people misread.
func significant(v float64, digits int) string {
	v, _ = strconv.ParseFloat(strconv.FormatFloat(v, 'e', digits-1, 64), 64) // it was just written
	return strconv.FormatFloat(v, 'f', -1, 64)
}

// percent writes two digits after the point, and no zeros at its end: of an
// availability every one counts.
func percent(v float64) string {
	if math.Abs(v) < 0.01 && v != 0 {
		return significant(v, 2)
	}
	s := decimal(v, 2)
	if !strings.Contains(s, ".") {
		return s
	}
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// short writes at least three digits, and all before the point.
func short(v float64) string {
	if math.Abs(v) >= 100 {
		return decimal(v, 0)
	}
	return significant(v, 3)
}

func size(v float64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; math.Abs(v) >= 1024 && i < len(units)-1; i++ {
		v /= 1024
	}
	return short(v) + " " + units[i]
}
