package rt

import "sync"

// Mutex guards the fields beside it. It must not be held across anything that
// can park, also if it need not this time, and a task holds one at a time: the
// simulator panics on both, so that no lock order ever has to be remembered.
type Mutex struct {
	mu  sync.Mutex //simvet:allow sync it is what an rt.Mutex is made of: the observer sees every use
	obs LockObserver
}

// NewMutex returns an unlocked mutex for r.
func NewMutex(r Runtime) Mutex {
	obs, _ := r.(LockObserver)
	return Mutex{obs: obs}
}

// Lock takes the mutex.
func (m *Mutex) Lock() {
	if m.obs != nil {
		m.obs.Locked(m)
	}
	m.mu.Lock()
}

// Unlock gives it back.
func (m *Mutex) Unlock() {
	m.mu.Unlock()
	if m.obs != nil {
		m.obs.Unlocked(m)
	}
}
