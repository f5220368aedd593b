package cluster

import "sync"

// Pair is a Bus over two others. A message goes over the first while that is
// connected, else over the second; what comes over either is heard. So replicas
// hear each other also while only some of them reach the first.
type Pair struct {
	First, Second *Messenger

	mu sync.Mutex // held while a subscriber is called
}

// Publish implements Bus.
func (p *Pair) Publish(topic string, data []byte) {
	if p.First.Stats().Connected {
		p.First.Publish(topic, data)
		return
	}
	p.Second.Publish(topic, data)
}

// Subscribe implements Bus.
func (p *Pair) Subscribe(topic string, f func([]byte)) (cancel func()) {
	one := func(data []byte) {
		p.mu.Lock()
		defer p.mu.Unlock()
		f(data)
	}
	first, second := p.First.Subscribe(topic, one), p.Second.Subscribe(topic, one)
	return func() {
		first()
		second()
	}
}
