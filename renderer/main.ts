import { SIZE_INJECTION_KEY } from 'element-plus';
import { createPinia } from 'pinia';
import { createApp, ref } from 'vue';
import App from './app.vue';
import { allowOwnStyleElements } from './composables/style-nonce';
import './styles/element';
import './styles/tokens.css';
import './styles/base.css';

allowOwnStyleElements();
const app = createApp(App).use(createPinia());
app.provide(SIZE_INJECTION_KEY, { size: ref('small' as const) });
app.mount('#app');
