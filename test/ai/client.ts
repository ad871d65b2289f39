import {
  AbstractChat,
  type ChatInit,
  type ChatState,
  type ChatStatus,
  DefaultChatTransport,
} from 'ai';
import type { UIMessage } from 'ai';

/** The state of a chat, as an application without a framework would keep it. */
class PlainState implements ChatState<UIMessage> {
  status: ChatStatus = 'ready';
  error: Error | undefined;
  messages: UIMessage[] = [];

  pushMessage = (message: UIMessage): void => {
    this.messages = [...this.messages, message];
  };

  popMessage = (): void => {
    this.messages = this.messages.slice(0, -1);
  };

  replaceMessage = (index: number, message: UIMessage): void => {
    this.messages = this.messages.with(index, structuredClone(message));
  };

  snapshot = <T>(thing: T): T => structuredClone(thing);
}

/** The AI SDK's chat, which `useChat()` is made of, with its own transport. */
export class Chat extends AbstractChat<UIMessage> {
  constructor(
    id: string,
    url: string,
    {
      onData,
      fetch,
    }: Pick<ChatInit<UIMessage>, 'onData'> & { fetch?: typeof globalThis.fetch } = {},
  ) {
    super({
      id,
      state: new PlainState(),
      transport: new DefaultChatTransport({ api: `${url}/chat`, ...(fetch && { fetch }) }),
      ...(onData !== undefined && { onData }),
    });
  }

  /** What the assistant's messages say, each. */
  get answers(): string[] {
    return this.messages.filter(({ role }) => role === 'assistant').map(textOf);
  }
}

function textOf({ parts }: UIMessage): string {
  return parts.map((part) => (part.type === 'text' ? part.text : '')).join('');
}
