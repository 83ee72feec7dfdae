// Package process runs the real binary, as an administrator would, for tests that need
// a process: other programs as clients, kill -9, load.
package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Build builds godwit into the folder.
func Build(dir string) (binary string, err error) {
	binary = filepath.Join(dir, "godwit")
	out, err := exec.Command("go", "build", "-o", binary, "github.com/godwit-mail/godwit").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return binary, nil
}

// Service is a running 'godwit serve' or 'godwit gateway'.
type Service struct {
	Data     string
	Address  map[string]string // of the listeners, by name
	Password map[string]string // of the demo's accounts, when it was just made
	PID      int

	cmd    *exec.Cmd
	log    *logged
	exited chan struct{}
	err    error // of the exit; read after exited is closed
}

// startTime is how long a start may take.
const startTime = 30 * time.Second

// Start runs 'godwit serve' on ports that are free and waits until it is up. Further
// flags beat those. The log goes to the writer, if there is one.
func Start(binary, data string, log io.Writer, flags ...string) (*Service, error) {
	return start(binary, data, log, []string{"serve", "--api-address=127.0.0.1:0"}, flags)
}

// StartGateway runs 'godwit gateway' of all protocols, likewise.
func StartGateway(binary, data string, log io.Writer, flags ...string) (*Service, error) {
	return start(binary, data, log, []string{"gateway", "smtp,imap,pop3", "--health-address=127.0.0.1:0"}, flags)
}

func start(binary, data string, log io.Writer, args, flags []string) (*Service, error) {
	s := &Service{Data: data, Address: map[string]string{}, Password: map[string]string{}, log: &logged{to: log}, exited: make(chan struct{})}
	args = append(args, "--data", data)
	for _, name := range []string{"smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"} {
		args = append(args, "--"+name+"-address=127.0.0.1:0")
	}
	s.cmd = exec.Command(binary, append(args, flags...)...)
	s.cmd.Stderr = s.log
	if f, ok := log.(*os.File); ok {
		s.cmd.Stderr = f // nothing of ours in between
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.PID = s.cmd.Process.Pid
	up := make(chan error, 1)
	go func() {
		up <- s.welcome(out)
		_, _ = io.Copy(io.Discard, out)
		s.err = s.cmd.Wait()
		close(s.exited)
	}()
	select {
	case err = <-up:
	case <-time.After(startTime):
		err = errors.New("it says nothing")
	}
	if err != nil {
		s.Kill()
		return nil, fmt.Errorf("godwit %s: %w\n%s", args[0], err, s.log.last())
	}
	return s, nil
}

var (
	listenerLine = regexp.MustCompile(`^  (\S+) +(\S+:\d+) `)
	passwordLine = regexp.MustCompile(`^  (\S+@\S+)  password (\S+)$`)
)

// ErrEnded is the error of a start whose process ended before it was up.
var ErrEnded = errors.New("it ended before it was up")

// Exited is closed when the process has ended.
func (s *Service) Exited() <-chan struct{} { return s.exited }

// welcome reads what is printed after the start.
func (s *Service) welcome(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if m := listenerLine.FindStringSubmatch(lines.Text()); m != nil {
			s.Address[m[1]] = m[2]
		} else if m := passwordLine.FindStringSubmatch(lines.Text()); m != nil {
			s.Password[m[1]] = m[2]
		} else if strings.HasPrefix(lines.Text(), "Stop with") {
			return nil
		}
	}
	return ErrEnded
}

// Kill is kill -9.
func (s *Service) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Stop sends SIGTERM and gives an error unless the process ends with exit code 0.
func (s *Service) Stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	select {
	case <-s.exited:
	case <-time.After(30 * time.Second):
		s.Kill()
		return fmt.Errorf("it did not end after SIGTERM\n%s", s.log.last())
	}
	if s.err != nil {
		return fmt.Errorf("after SIGTERM: %w\n%s", s.err, s.log.last())
	}
	return nil
}

// API sends a request with the key in the data folder and gives what came.
func (s *Service) API(ctx context.Context, method, path string, body any) ([]byte, error) {
	key, err := os.ReadFile(filepath.Join(s.Data, "admin.key"))
	if err != nil {
		return nil, err
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://"+s.Address["api"]+path, bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, res.Status, answer)
	}
	return answer, err
}

// Metric sums the samples of a metric whose name (and labels, as far as given) begin so.
func (s *Service) Metric(ctx context.Context, name string) (sum float64, err error) {
	text, err := s.API(ctx, http.MethodGet, "/metrics", nil)
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if rest, ok := strings.CutPrefix(line, name); ok && (rest[0] == ' ' || rest[0] == '{' || strings.HasSuffix(name, `"`)) {
			v, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return 0, err
			}
			sum += v
		}
	}
	return sum, nil
}

// Memory reads the resident set, now and at its peak, in bytes. Linux only.
func Memory(pid int) (now, peak int64, err error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.SplitSeq(string(b), "\n") {
		for name, to := range map[string]*int64{"VmRSS:": &now, "VmHWM:": &peak} {
			if rest, ok := strings.CutPrefix(line, name); ok {
				if _, err := fmt.Sscanf(rest, "%d kB", to); err != nil {
					return 0, 0, err
				}
				*to <<= 10
			}
		}
	}
	return now, peak, nil
}

// logged passes the log on and keeps the end of it.
type logged struct {
	to  io.Writer
	mu  sync.Mutex
	end []byte
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = append(l.end, p...)
	if len(l.end) > 16<<10 {
		l.end = append([]byte(nil), l.end[len(l.end)-8<<10:]...)
	}
	if l.to != nil {
		return l.to.Write(p)
	}
	return len(p), nil
}

func (l *logged) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.end)
}
