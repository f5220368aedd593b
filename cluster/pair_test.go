package cluster

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestPairTakesTheFirstWhileItIsThere, and the second meanwhile; what comes over
// either is heard once.
func TestPairTakesTheFirstWhileItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := &ether{}, &ether{}
		var pairs [2]*Pair
		var heard []string
		for i := range pairs {
			a, _ := run(t, first)
			b, _ := run(t, second)
			pairs[i] = &Pair{First: a, Second: b}
		}
		synctest.Wait()
		cancel := pairs[1].Subscribe("y", func(data []byte) {
			if data != nil {
				heard = append(heard, string(data))
			}
		})
		say := func(what string) {
			pairs[0].Publish("y", []byte(what))
			synctest.Wait()
		}
		say("1")
		if pairs[0].Second.Stats().Sent != 1 { // its probe
			t.Error("the second is used while the first is there")
		}
		first.cut(true)
		synctest.Wait()
		say("2")
		first.cut(false)
		time.Sleep(2 * lastDial)
		say("3")
		cancel()
		say("4")
		if len(heard) != 3 || heard[0] != "1" || heard[1] != "2" || heard[2] != "3" {
			t.Errorf("heard %v", heard)
		}
	})
}
