package event

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/cartrita/cartrita/model"
)

const testSegment = 7

// frameBytes is a frame as it stands in a file of segment testSegment.
func frameBytes(f frame) []byte {
	b := append(make([]byte, frameHeader), f.payload...)
	f.seal(b, testSegment, payloadSum(f.payload))
	return b
}

// readAll returns what a frameReader finds in b.
func readAll(t interface {
	Fatal(...any)
	Fatalf(string, ...any)
}, b []byte) (frames []frame, skipped int64) {
	r := frameReader{src: bytes.NewReader(b), segment: testSegment, size: int64(len(b))}
	last := int64(0)
	for {
		f, start, end, err := r.next()
		if errors.Is(err, io.EOF) {
			return frames, r.skipped
		}
		if err != nil {
			t.Fatal(err)
		}
		if start < last || end != start+frameHeader+int64(len(f.payload)) || end > int64(len(b)) {
			t.Fatalf("a frame from %d to %d after %d in %d bytes", start, end, last, len(b))
		}
		if _, _, ok := readFrame(b[start:], testSegment); !ok {
			t.Fatalf("the frame at %d is not whole", start)
		}
		last = end
		f.payload = slices.Clone(f.payload)
		frames = append(frames, f)
	}
}

func TestAReaderFindsEveryFrameAroundDamage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var file []byte
		var want []frame
		var damage int64
		for range rapid.IntRange(0, 6).Draw(t, "frames") {
			junk := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "junk")
			if rapid.Bool().Draw(t, "a torn frame") {
				f := frameBytes(frame{kind: frameIntent, payload: append(junk, 0)})
				junk = f[:len(f)-1] // what follows is not the zero
			}
			f := frame{
				kind: frameOutcome, at: rapid.Int64().Draw(t, "at"), id: model.NewCallID(), intent: location{Position{1, 2}, 3},
				payload: rapid.SliceOfN(rapid.Byte(), 0, 3*readWindow/2).Draw(t, "payload"),
			}
			if rapid.Bool().Draw(t, "large") {
				f.payload = bytes.Repeat([]byte("0123456789abcdef"), readWindow/10)
			}
			file = append(append(file, junk...), frameBytes(f)...)
			damage += int64(len(junk))
			want = append(want, f)
		}
		file = append(file, rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "tail")...)
		got, skipped := readAll(t, file)
		if len(got) != len(want) || skipped != damage {
			t.Fatalf("found %d frames and %d damaged bytes, want %d and %d", len(got), skipped, len(want), damage)
		}
		for i := range want {
			if g, w := got[i], want[i]; g.kind != w.kind || g.at != w.at || g.id != w.id || g.intent != w.intent || !bytes.Equal(g.payload, w.payload) {
				t.Fatalf("frame %d is %+v, want %+v", i, g, w)
			}
		}
	})
}

func TestAFrameOfAnotherSegmentIsNotRead(t *testing.T) {
	b := frameBytes(frame{kind: frameOutcome, payload: []byte("x")})
	if _, _, ok := readFrame(b, testSegment+1); ok {
		t.Error("what a recycled file still holds would be read as new")
	}
}

func TestAReaderLooksBackOnlyAtItsOwnSegment(t *testing.T) {
	b := append(make([]byte, segmentHeader), frameBytes(frame{kind: frameIntent, payload: []byte("x")})...)
	r := frameReader{src: bytes.NewReader(b), segment: testSegment, size: int64(len(b)), off: segmentHeader}
	if _, _, _, err := r.next(); err != nil {
		t.Fatal(err)
	}
	for at, want := range map[location]bool{
		{Position{testSegment, segmentHeader}, frameHeader + 1}:     true,
		{Position{testSegment + 1, segmentHeader}, frameHeader + 1}: false,
		{Position{testSegment, segmentHeader}, frameHeader + 2}:     false,
		{Position{testSegment, segmentHeader + 1}, frameHeader}:     false,
		{Position{testSegment, 0}, frameHeader}:                     false,
		{Position{testSegment, 1 << 40}, frameHeader}:               false,
	} {
		if f, ok := r.behind(at); ok != want || ok && string(f.payload) != "x" {
			t.Errorf("at %v: %v, want %v", at, ok, want)
		}
	}
}

func TestAReaderKeepsWhatItReadLately(t *testing.T) {
	var file []byte
	for range 300 {
		file = append(file, frameBytes(frame{kind: frameIntent, payload: bytes.Repeat([]byte("x"), 10_000)})...)
	}
	r := frameReader{src: bytes.NewReader(file), segment: testSegment, size: int64(len(file))}
	var seen []location
	for {
		_, start, end, err := r.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, location{Position{testSegment, start}, int(end - start)})
		for _, at := range seen[max(0, len(seen)-lookBack/10_100+1):] {
			if _, ok := r.behind(at); !ok {
				t.Fatalf("at %d the frame at %d is gone", start, at.Offset)
			}
		}
	}
	if len(seen) != 300 || cap(r.buf) > 2*(lookBack+readWindow) {
		t.Errorf("%d frames, window of %d bytes", len(seen), cap(r.buf))
	}
}

// FuzzFrames gives a reader any bytes: it must end, must not fail, and must
// return only whole frames; frames put in front of the bytes must be found.
func FuzzFrames(f *testing.F) {
	whole := frameBytes(frame{kind: frameIntent, payload: []byte(`{"a":1}`)})
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add(append([]byte(frameMagic), make([]byte, 80)...))
	f.Add(bytes.Repeat([]byte(frameMagic), 20))
	f.Fuzz(func(t *testing.T, tail []byte) {
		got, _ := readAll(t, append(slices.Clone(whole), tail...))
		if len(got) == 0 || string(got[0].payload) != `{"a":1}` {
			t.Fatal("a whole frame in front of the damage is lost")
		}
	})
}

// FuzzPayload gives the parsers of a payload any bytes: no panic, and what
// they accept can be written and read again.
func FuzzPayload(f *testing.F) {
	// Short seeds: the engine takes minutes to shorten long ones.
	payload := func(record, plan string) []byte {
		var sum Summary
		b := sum.append([]byte(noLength))
		putLength(b, 0)
		b = binary.AppendUvarint(b, uint64(len(record)))
		return append(append(b, record...), plan...)
	}
	f.Add(payload(`{"state":"failed"}`, ``))
	f.Add(payload(`{}`, `{"candidates":{"endpoint":["a"],"scores":[0,1,2,3,4]}}`))
	f.Add(payload(`{}`, `{"attempts":{"candidate":[0],"step":["best"]}}`))
	f.Add([]byte{0x80, 0x80, 0x80, 0x00, 0x05})
	f.Fuzz(func(t *testing.T, b []byte) {
		summary, record, plan, ok := splitPayload(b)
		if !ok {
			return
		}
		var s, again Summary
		if s.read(summary) && (!again.read(s.append(nil)) || !cmp.Equal(again, s, cmpopts.EquateEmpty())) {
			t.Errorf("summary %+v is read back as %+v", s, again)
		}
		rec, err := ParseRecord(record, plan)
		if err != nil {
			return
		}
		if _, err := ParseRecord(AppendRecord(nil, rec), nil); err != nil {
			t.Errorf("a record that was read cannot be written and read: %v", err)
		}
		if rec.Plan != nil {
			if _, err := ParsePlan(AppendPlan(nil, rec.Plan)); err != nil {
				t.Errorf("a plan that was read cannot be written and read: %v", err)
			}
		}
	})
}

func TestSummaryIsReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Summarize(anyRecord().Draw(t, "record"))
		var got Summary
		if !got.read(want.append(nil)) {
			t.Fatal("not read")
		}
		got.ID = want.ID // kept in the frame's header
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("want -, got +:\n%s", diff)
		}
	})
}

// A spool may hold frames of the version before keys and budgets.
func TestASummaryWithoutAPayerIsRead(t *testing.T) {
	want := Summarize(sampleRecord(model.NewCallID(), 2))
	old := want.append(nil)
	want.Team, want.Charges = "a", []model.Charge{{Budget: "b", Cost: 7}}
	if grown := want.append(nil); string(grown[:len(old)]) != string(old) || len(grown) == len(old) {
		t.Fatal("what an older version wrote is no longer the beginning of a frame")
	}
	var got Summary
	if !got.read(old) || got.Team != "" || got.Cost != want.Cost {
		t.Errorf("an old summary is read as %+v", got)
	}
	for n := len(old) + 1; n < len(want.append(nil)); n++ {
		if got.read(want.append(nil)[:n]) {
			t.Fatalf("a summary cut after %d bytes is taken for whole", n)
		}
	}
}
