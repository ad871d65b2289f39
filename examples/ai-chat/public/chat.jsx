import { Chat, useChat } from '@ai-sdk/react';
import { DefaultChatTransport } from 'ai';
import { useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';

/** The id of the chat is the page's; what was said before would come from a database. */
const id = (sessionStorage.id ??= crypto.randomUUID());
const said = JSON.parse(sessionStorage.messages ?? '[]');

// A Chat of one's own knows that what is resumed is a replay; what useChat() makes of its options has forgotten it.
const chat = new Chat({ id, messages: said, transport: new DefaultChatTransport() });

function Conversation() {
  const { messages, sendMessage, resumeStream, status, error } = useChat({ chat, resume: true });
  const [question, setQuestion] = useState('');

  useEffect(() => {
    sessionStorage.messages = JSON.stringify(messages);
  }, [messages]);

  // The connection was lost, and not the answer: it is fetched again, from whichever instance there is.
  const isLost = status === 'error' && error instanceof TypeError;
  useEffect(() => {
    if (!isLost) return undefined;
    const timer = setTimeout(resumeStream, 300);
    return () => clearTimeout(timer);
  }, [isLost, error, resumeStream]);

  const ask = (event) => {
    event.preventDefault();
    setQuestion('');
    sendMessage({ text: question });
  };

  return (
    <>
      {messages.map(({ id: key, role, parts }) => (
        <p key={key} className={role}>
          {parts.map((part) => (part.type === 'text' ? part.text : '')).join('')}
        </p>
      ))}
      <form onSubmit={ask}>
        <input value={question} onChange={({ target }) => setQuestion(target.value)} />
        <button type="submit">Ask</button>
        <button type="button" onClick={() => fetch(`/api/chat/${id}`, { method: 'DELETE' })}>
          Stop
        </button>
      </form>
      <output>{status}</output>
      {status === 'error' && !isLost && <strong role="alert">{error.message}</strong>}
    </>
  );
}

createRoot(document.querySelector('main')).render(<Conversation />);
