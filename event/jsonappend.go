package event

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// appendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, as in encoding/json; '<', '>' and '&' are left as they are.
func appendString[S ~string](b []byte, s S) []byte {
	b = append(b, '"')
	start := 0
	for i := plainPrefix(s); i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			b = appendEscape(b, c)
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))]))
		if r == utf8.RuneError && size == 1 {
			b = append(b, s[start:i]...)
			b = append(b, `\ufffd`...)
			start = i + 1
		}
		i += size
	}
	b = append(b, s[start:]...)
	return append(b, '"')
}

// plainPrefix returns how many leading bytes of s need no escape, in steps of
// eight: printable ASCII without quote and backslash.
func plainPrefix[S ~string](s S) int {
	const low, high = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		control := w - low*' '                     // high bit of a byte below the space
		quote := (w ^ low*'"') - low               // high bit of a zero byte
		backslash := (w ^ low*'\\') - low          // likewise
		if (w|control|quote|backslash)&high != 0 { // also set for bytes of other alphabets
			break
		}
	}
	return i
}

func appendEscape(b []byte, c byte) []byte {
	const hex = "0123456789abcdef"
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
}

// appendFloat appends a figure to six significant digits at least: six
// decimals, nine below 1, exactly where those are too few. Scores and
// milliseconds carry no meaning beyond that, and printing all 17 digits of a
// score would cost more than the rest of the record. What JSON cannot hold
// becomes 0.
func appendFloat(b []byte, f float64) []byte {
	if f == 0 || math.IsNaN(f) || math.IsInf(f, 0) {
		return append(b, '0')
	}
	const exactBelow = 1 << 51 / 1e6 // six decimals fit the mantissa, with room to round
	switch a := math.Abs(f); {
	case a >= exactBelow:
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	case a >= 1:
		return appendFixed(sign(b, f), uint64(a*1e6+0.5), 6)
	default:
		n := uint64(a*1e9 + 0.5)
		if a < 1e-3 && float64(n)/1e9 != a {
			return strconv.AppendFloat(b, f, 'g', -1, 64)
		}
		return appendFixed(sign(b, f), n, 9)
	}
}

func sign(b []byte, f float64) []byte {
	if f < 0 {
		return append(b, '-')
	}
	return b
}

// appendScore appends a score with six decimals.
func appendScore(b []byte, f float64) []byte {
	if !(f >= 0 && f < 1000) {
		return appendFloat(b, f)
	}
	return appendFixed(b, uint64(f*1e6+0.5), 6)
}

const pairs = "0001020304050607080910111213141516171819" +
	"2021222324252627282930313233343536373839" +
	"4041424344454647484950515253545556575859" +
	"6061626364656667686970717273747576777879" +
	"8081828384858687888990919293949596979899"

// appendFixed appends n × 10⁻ᵈ without trailing zeros, for d = 6 or 9.
func appendFixed(b []byte, n uint64, d int) []byte {
	unit := uint64(1e6)
	if d == 9 {
		unit = 1e9
	}
	whole := n / unit
	frac := uint32(n - whole*unit)
	b = integer(b, int64(whole))
	if frac == 0 {
		return b
	}
	b = append(b, ".000000000"[:1+d]...)
	p := b[len(b)-d:]
	i := d
	for ; i > 1; i -= 2 {
		q := frac / 100
		r := 2 * (frac - 100*q)
		p[i-1], p[i-2] = pairs[r+1], pairs[r]
		frac = q
	}
	if i == 1 {
		p[0] = byte('0' + frac)
	}
	end := len(b)
	for b[end-1] == '0' {
		end--
	}
	return b[:end]
}

// appendTime appends t as RFC 3339 with nanoseconds, in UTC.
func appendTime(b []byte, t time.Time) []byte {
	b = append(b, '"')
	b = t.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, '"')
}
