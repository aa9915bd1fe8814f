// blitiri.com.ar/go/spf with its WithResolver option: answers known from maps, or cold from Go's own resolver.
//
// go-spf DATA VERDICTS PASSES | go-spf DATA VERDICTS cold PORT TASKS CHECKS: as every driver here (see
// drivers/__init__.py).
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"blitiri.com.ar/go/spf"
)

const module = "blitiri.com.ar/go/spf"

type connection struct {
	ip             net.IP
	helo, mailFrom string
}

// answers is a DNSResolver that knows everything.
type answers struct {
	txt       map[string][]string
	mx        map[string][]*net.MX
	addresses map[string][]net.IPAddr
}

func notFound(name string) error {
	return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
}

// find looks a name up as it comes, but for the dot at its end: the names of the run are in lower case.
func find[T any](table map[string][]T, name string) ([]T, error) {
	if found, ok := table[strings.TrimSuffix(name, ".")]; ok {
		return found, nil
	}
	return nil, notFound(name)
}

func (a *answers) LookupTXT(_ context.Context, name string) ([]string, error) {
	return find(a.txt, name)
}

func (a *answers) LookupMX(_ context.Context, name string) ([]*net.MX, error) {
	return find(a.mx, name)
}

func (a *answers) LookupIPAddr(_ context.Context, name string) ([]net.IPAddr, error) {
	return find(a.addresses, name)
}

func (a *answers) LookupAddr(_ context.Context, name string) ([]string, error) {
	return nil, notFound(name)
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}

func rows(data, file string, row func(fields []string)) {
	text := string(must(os.ReadFile(filepath.Join(data, file))))
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		row(strings.Split(strings.Clone(line), "\t"))
	}
}

func zone(data string) *answers {
	a := &answers{map[string][]string{}, map[string][]*net.MX{}, map[string][]net.IPAddr{}}
	rows(data, "zone.tsv", func(fields []string) {
		name, value := fields[0], fields[2]
		switch fields[1] {
		case "TXT":
			a.txt[name] = append(a.txt[name], value)
		case "MX":
			preference, host, _ := strings.Cut(value, " ")
			number := must(strconv.ParseUint(preference, 10, 16))
			a.mx[name] = append(a.mx[name], &net.MX{Host: host + ".", Pref: uint16(number)})
		case "A", "AAAA":
			a.addresses[name] = append(a.addresses[name], net.IPAddr{IP: net.ParseIP(value)})
		}
	})
	return a
}

func resolverAt(port string) *net.Resolver {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
	}
	return &net.Resolver{PreferGo: true, Dial: dial}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		log.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}

func peakRSS() int {
	_, after, _ := strings.Cut(string(must(os.ReadFile("/proc/self/status"))), "VmHWM:")
	return must(strconv.Atoi(strings.Fields(after)[0]))
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}

func main() {
	if len(os.Args) != 4 && !(len(os.Args) == 7 && os.Args[3] == "cold") {
		log.Fatal("usage: go-spf DATA VERDICTS PASSES|cold PORT TASKS CHECKS")
	}
	data, verdicts := os.Args[1], os.Args[2]
	var connections []connection
	rows(data, "connections.tsv", func(fields []string) {
		connections = append(connections, connection{net.ParseIP(fields[0]), fields[1], fields[2]})
	})
	cold, passes, tasks := os.Args[3] == "cold", 1, 1
	var option spf.Option
	if cold {
		tasks = must(strconv.Atoi(os.Args[5]))
		connections = connections[:min(len(connections), must(strconv.Atoi(os.Args[6])))]
		option = spf.WithResolver(resolverAt(os.Args[4]))
	} else {
		passes = must(strconv.Atoi(os.Args[3]))
		option = spf.WithResolver(zone(data))
	}
	words := make([]string, len(connections))
	check := func(row int) {
		c := connections[row]
		result, _ := spf.CheckHostWithSender(c.ip, c.helo, c.mailFrom, option)
		words[row] = string(result)
	}
	onePass := func() {
		for row := range connections {
			check(row)
		}
	}
	if cold {
		onePass = func() {
			var next atomic.Int64
			var group sync.WaitGroup
			for range tasks {
				group.Go(func() {
					for row := next.Add(1) - 1; row < int64(len(connections)); row = next.Add(1) - 1 {
						check(int(row))
					}
				})
			}
			group.Wait()
		}
	}
	write := func() {
		must(0, os.WriteFile(verdicts, []byte(strings.Join(words, "\n")+"\n"), 0o644))
	}
	if !cold {
		onePass()
		write()
	}
	debug.FreeOSMemory()
	must(0, os.WriteFile("/proc/self/clear_refs", []byte("5"), 0))
	cpu, wall := []float64{}, []float64{}
	for range passes {
		wallStart, cpuStart := time.Now(), cpuSeconds()
		onePass()
		cpu = append(cpu, cpuSeconds()-cpuStart)
		wall = append(wall, time.Since(wallStart).Seconds())
	}
	if cold {
		write()
	}
	report := map[string]any{
		"peer": "go-spf", "version": version(), "checks": len(connections),
		"cpu_seconds": cpu, "wall_seconds": wall, "rss_kib": peakRSS(),
	}
	fmt.Println(string(must(json.Marshal(report))))
}
